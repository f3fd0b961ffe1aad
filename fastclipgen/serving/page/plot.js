// A plot of a few lines over the steps of a run, on a canvas.

const COLOURS = ["#6cb6ff", "#f69d50", "#8ddb8c", "#dcbdfb", "#f47067", "#ffd866", "#7ee0d6", "#b7b7b7"];
const LEFT = 46;
const BELOW = 16;

export const colourOf = (place) => COLOURS[place % COLOURS.length];

// series: lists of [step, value] in order; values that are null leave a gap.
export function plot(canvas, series) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width || !height) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const all = series.flat().filter(([, value]) => value !== null);
  if (!all.length) return;
  const [first, last] = range(all.map(([step]) => step));
  const [low, high] = range(all.map(([, value]) => value));
  const x = (step) => LEFT + ((step - first) / (last - first || 1)) * (width - LEFT - 6);
  const y = (value) => 6 + (1 - (value - low) / (high - low || 1)) * (height - BELOW - 10);
  const style = getComputedStyle(canvas);
  pen.font = `11px ${style.fontFamily}`;
  pen.fillStyle = style.color;
  pen.strokeStyle = style.getPropertyValue("--edge");
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const value of high > low ? [low, (low + high) / 2, high] : [low]) {
    line(pen, [[LEFT, y(value)], [width - 6, y(value)]]);
    pen.fillText(short(value), LEFT - 5, y(value));
  }
  pen.textBaseline = "bottom";
  pen.fillText(`step ${last}`, width - 6, height);
  pen.textAlign = "left";
  pen.fillText(String(first), LEFT, height);
  pen.lineWidth = 1.5;
  series.forEach((points, place) => {
    pen.strokeStyle = pen.fillStyle = colourOf(place);
    const known = points.filter(([, value]) => value !== null).map(([step, value]) => [x(step), y(value)]);
    line(pen, known);
    if (known.length === 1) pen.fillRect(known[0][0] - 1.5, known[0][1] - 1.5, 3, 3);
  });
}

export function short(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 100000)) return value.toExponential(1);
  return String(Number(value.toPrecision(size < 1 ? 3 : 4)));
}

function line(pen, points) {
  pen.beginPath();
  points.forEach(([x, y], place) => (place ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.stroke();
}

function range(values) {
  return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
}
