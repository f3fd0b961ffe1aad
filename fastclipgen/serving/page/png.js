// The settings that a PNG of fastclipgen holds: the text chunk "fastclipgen", which is JSON.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

// Raises an Error that says what is wrong with the file.
export async function settingsOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (!SIGNATURE.every((byte, place) => bytes[place] === byte)) throw new Error(`${file.name} is no PNG`);
  const view = new DataView(bytes.buffer);
  for (let at = 8; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind === "iTXt") {
      const found = text(bytes.subarray(at + 8, at + 8 + length));
      if (found.key === "fastclipgen") return JSON.parse(found.value);
    }
    at += 12 + length;
  }
  throw new Error(`${file.name} holds no settings of fastclipgen`);
}

// An iTXt chunk: key, 0, compressed, method, language, 0, translated key, 0, UTF-8. Ours are not compressed.
function text(chunk) {
  const key = chunk.indexOf(0);
  const language = chunk.indexOf(0, key + 3);
  const translated = chunk.indexOf(0, language + 1);
  const decode = (from, to) => new TextDecoder().decode(chunk.subarray(from, to));
  return { key: decode(0, key), value: chunk[key + 1] ? "" : decode(translated + 1) };
}
