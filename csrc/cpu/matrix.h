// A matrix of float32, bfloat16 or float16 with any strides, read row by row as float32.
#pragma once

#include <cstdint>
#include <cstring>

namespace fastclipgen::cpu {

enum class Element : int { float32 = 0, bfloat16 = 1, float16 = 2 };

struct Matrix {
    const void* data;
    Element element;
    int64_t rows, columns;
    int64_t row_stride, column_stride;  // in elements

    // The row itself where it lies in memory as float32, or else its copy in scratch[columns].
    const float* row(int64_t index, float* scratch) const {
        if (element == Element::float32) {
            const float* const from = static_cast<const float*>(data) + index * row_stride;
            if (column_stride == 1) return from;
            for (int64_t i = 0; i < columns; ++i) scratch[i] = from[i * column_stride];
            return scratch;
        }
        const uint16_t* const from = static_cast<const uint16_t*>(data) + index * row_stride;
        if (element == Element::bfloat16) {
            for (int64_t i = 0; i < columns; ++i) scratch[i] = from_bits(uint32_t{from[i * column_stride]} << 16);
        } else {
            for (int64_t i = 0; i < columns; ++i) scratch[i] = from_half(from[i * column_stride]);
        }
        return scratch;
    }

  private:
    static float from_bits(uint32_t bits) {
        float value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }

    static float from_half(uint16_t half) {
        const uint32_t sign = uint32_t{half & 0x8000u} << 16, rest = half & 0x7FFFu;
        // as float32 bits its exponent is 112 too small, which a product mends, subnormals too; infinity and NaN keep
        // the largest exponent
        const float value = rest >= 0x7C00u ? from_bits(rest << 13 | 0x7F800000u) : from_bits(rest << 13) * 0x1p112f;
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        return from_bits(bits | sign);
    }
};

}  // namespace fastclipgen::cpu
