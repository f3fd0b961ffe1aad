// Colour jitter of one pixel and its gradient: the per-pixel twin of fastclipgen/ops/colour.py, for C++ and CUDA.
// Written without branches (compilers turn loops over pixels into vectors); ties share gradients as torch's amax does.
#pragma once

#include <cmath>

#include "cutout_geometry.h"
#include "cutout_plan.h"

namespace fastclipgen {

struct Rgb {
    float r, g, b;
};

FASTCLIPGEN_HD float unit_range(float v) { return smaller(larger(v, 0.0f), 1.0f); }
FASTCLIPGEN_HD float in_unit_range(float v) { return static_cast<bool>((v >= 0.0f) & (v <= 1.0f)) ? 1.0f : 0.0f; }
FASTCLIPGEN_HD float highest(Rgb p) { return larger(larger(p.r, p.g), p.b); }
FASTCLIPGEN_HD float lowest(Rgb p) { return smaller(smaller(p.r, p.g), p.b); }

// `gradient` of an extreme value, shared among the channels that have it.
FASTCLIPGEN_HD Rgb share_among(Rgb p, float extreme, float gradient) {
    const float r = p.r == extreme ? 1.0f : 0.0f, g = p.g == extreme ? 1.0f : 0.0f, b = p.b == extreme ? 1.0f : 0.0f;
    const float each = gradient / (r + g + b);
    return {r * each, g * each, b * each};
}

FASTCLIPGEN_HD Rgb brightness_contrast(Rgb p, float brightness, float contrast) {
    const float add = brightness - 1.0f;
    return {unit_range(unit_range(p.r + add) * contrast), unit_range(unit_range(p.g + add) * contrast),
            unit_range(unit_range(p.b + add) * contrast)};
}

FASTCLIPGEN_HD float brightness_contrast_slope(float v, float brightness, float contrast) {
    const float brighter = v + (brightness - 1.0f);
    return in_unit_range(brighter) * in_unit_range(unit_range(brighter) * contrast) * contrast;
}

// rgb -> v - k * (v - rgb) with v the largest channel; k is the factor, or v / chroma where S would pass 1.
FASTCLIPGEN_HD Rgb scale_saturation(Rgb p, float factor) {
    const float value = highest(p), chroma = value - lowest(p);
    const bool over = factor * chroma > value;
    const float limit = value / (over ? chroma : 1.0f), k = over ? limit : factor;
    return {value - k * (value - p.r), value - k * (value - p.g), value - k * (value - p.b)};
}

FASTCLIPGEN_HD Rgb scale_saturation_gradient(Rgb p, float factor, Rgb grad) {
    const float value = highest(p), low = lowest(p), chroma = value - low;
    const float over = factor * chroma > value ? 1.0f : 0.0f;  // as a number: choices around quotients become branches
    const float safe = over * chroma + (1.0f - over);
    const float k = over * value / safe + (1.0f - over) * factor;
    const float to_k = -(grad.r * (value - p.r) + grad.g * (value - p.g) + grad.b * (value - p.b));
    const float through_value = over * to_k / safe;
    const float to_chroma = -through_value * value / safe;
    const float to_value = (grad.r + grad.g + grad.b) * (1.0f - k) + through_value + to_chroma;
    const Rgb top = share_among(p, value, to_value), bottom = share_among(p, low, -to_chroma);
    return {k * grad.r + top.r + bottom.r, k * grad.g + top.g + bottom.g, k * grad.b + top.b + bottom.b};
}

constexpr float kGrey = 1e-6f;  // below this chroma the hue is rounding noise: such pixels keep their colour

struct Hue {
    float value, chroma, safe, numerator, turned;  // turned: the new hue in sixths of a circle
    bool red, green, applies;
};

FASTCLIPGEN_HD Hue hue_of(Rgb p, float turns) {
    Hue h;
    h.value = highest(p);
    h.chroma = h.value - lowest(p);
    const bool coloured = h.chroma > kGrey;
    h.applies = coloured & (turns != 0.0f);
    h.safe = coloured ? h.chroma : 1.0f;
    h.red = h.value == p.r;
    h.green = !h.red & (h.value == p.g);
    h.numerator = h.red ? p.g - p.b : (h.green ? p.b - p.r : p.r - p.g);
    const float sector = h.red ? 0.0f : (h.green ? 2.0f : 4.0f);
    h.turned = h.numerator / h.safe + sector + 6.0f * turns;
    return h;
}

FASTCLIPGEN_HD float hue_place(float hue, float offset) {
    const float shifted = hue + offset;
    return shifted - std::floor(shifted * (1.0f / 6.0f)) * 6.0f;
}
FASTCLIPGEN_HD float hue_weight(float place) { return unit_range(smaller(place, 4.0f - place)); }
FASTCLIPGEN_HD float hue_slope(float place) {
    return in_unit_range(smaller(place, 4.0f - place)) * (place < 2.0f ? 1.0f : -1.0f);
}

FASTCLIPGEN_HD Rgb turn_hue(Rgb p, float turns) {
    const Hue h = hue_of(p, turns);
    return {h.applies ? h.value - h.chroma * hue_weight(hue_place(h.turned, 5.0f)) : p.r,
            h.applies ? h.value - h.chroma * hue_weight(hue_place(h.turned, 3.0f)) : p.g,
            h.applies ? h.value - h.chroma * hue_weight(hue_place(h.turned, 1.0f)) : p.b};
}

FASTCLIPGEN_HD Rgb turn_hue_gradient(Rgb p, float turns, Rgb grad) {
    const Hue h = hue_of(p, turns);
    const float r = hue_place(h.turned, 5.0f), g = hue_place(h.turned, 3.0f), b = hue_place(h.turned, 1.0f);
    const float to_hue = -h.chroma * (grad.r * hue_slope(r) + grad.g * hue_slope(g) + grad.b * hue_slope(b)) / h.safe;
    const float to_chroma =
        -(grad.r * hue_weight(r) + grad.g * hue_weight(g) + grad.b * hue_weight(b)) - to_hue * h.numerator / h.safe;
    const Rgb top = share_among(p, h.value, grad.r + grad.g + grad.b + to_chroma);
    const Rgb bottom = share_among(p, lowest(p), -to_chroma);
    // The numerator is g - b, b - r or r - g, by the largest channel.
    const float largest_r = h.red ? 1.0f : 0.0f, largest_g = h.green ? 1.0f : 0.0f;
    const float largest_b = 1.0f - largest_r - largest_g;
    return {h.applies ? top.r + bottom.r + to_hue * (largest_b - largest_g) : grad.r,
            h.applies ? top.g + bottom.g + to_hue * (largest_r - largest_b) : grad.g,
            h.applies ? top.b + bottom.b + to_hue * (largest_g - largest_r) : grad.b};
}

// factors: brightness, contrast, saturation, hue in turns.
FASTCLIPGEN_HD Rgb jitter(const CutoutPlan& plan, const float* factors, Rgb p) {
    if (plan.brightness_contrast) p = brightness_contrast(p, factors[0], factors[1]);
    if (plan.saturation) p = scale_saturation(p, factors[2]);
    return plan.hue ? turn_hue(p, factors[3]) : p;
}

// The gradient to the pixel p before all stages from `grad`, the one after them.
FASTCLIPGEN_HD Rgb jitter_gradient(const CutoutPlan& plan, const float* factors, Rgb p, Rgb grad) {
    const Rgb lit = plan.brightness_contrast ? brightness_contrast(p, factors[0], factors[1]) : p;
    if (plan.hue) {
        grad = turn_hue_gradient(plan.saturation ? scale_saturation(lit, factors[2]) : lit, factors[3], grad);
    }
    if (plan.saturation) grad = scale_saturation_gradient(lit, factors[2], grad);
    if (!plan.brightness_contrast) return grad;
    return {grad.r * brightness_contrast_slope(p.r, factors[0], factors[1]),
            grad.g * brightness_contrast_slope(p.g, factors[0], factors[1]),
            grad.b * brightness_contrast_slope(p.b, factors[0], factors[1])};
}

}  // namespace fastclipgen
