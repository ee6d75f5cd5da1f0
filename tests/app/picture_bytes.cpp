// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "picture_bytes.h"

#include <webp/encode.h>

#include <cstdlib>
#include <cstring>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace picture {

namespace {

void append(void *context, void *data, int size)
{
    auto *bytes = static_cast<Bytes *>(context);
    const auto *from = static_cast<const std::uint8_t *>(data);
    bytes->insert(bytes->end(), from, from + size);
}

void putNumber(Bytes &bytes, std::uint32_t value, int size, bool bigEndian)
{
    for (int i = 0; i < size; ++i)
        bytes.push_back(static_cast<std::uint8_t>(value >> (8 * (bigEndian ? size - 1 - i : i))));
}

std::uint32_t crc(const Bytes &bytes)
{
    std::uint32_t value = 0xFFFFFFFFU;
    for (const std::uint8_t byte : bytes) {
        value ^= byte;
        for (int k = 0; k < 8; ++k)
            value = (value & 1U) != 0 ? (value >> 1) ^ 0xEDB88320U : value >> 1;
    }
    return ~value;
}

Bytes chunk(std::string_view type, const Bytes &data)
{
    Bytes body(type.begin(), type.end());
    body.insert(body.end(), data.begin(), data.end());
    Bytes result;
    putNumber(result, static_cast<std::uint32_t>(data.size()), 4, true);
    result.insert(result.end(), body.begin(), body.end());
    putNumber(result, crc(body), 4, true);
    return result;
}

} // namespace

Bytes gradient(int width, int height, int channels)
{
    Bytes pixels;
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
            for (int c = 0; c < channels; ++c)
                pixels.push_back(static_cast<std::uint8_t>(c == 0 ? x * 7 : c == 1 ? y * 5 : c == 2 ? 40 : 255));
    return pixels;
}

Bytes png(int width, int height, int channels, const Bytes &pixels)
{
    Bytes bytes;
    stbi_write_png_to_func(append, &bytes, width, height, channels, pixels.data(), width * channels);
    return bytes;
}

Bytes bmp(int width, int height, const Bytes &rgb)
{
    Bytes bytes;
    stbi_write_bmp_to_func(append, &bytes, width, height, 3, rgb.data());
    return bytes;
}

Bytes jpeg(int width, int height, const Bytes &rgb)
{
    Bytes bytes;
    stbi_write_jpg_to_func(append, &bytes, width, height, 3, rgb.data(), 95);
    return bytes;
}

Bytes webp(int width, int height, const Bytes &rgb)
{
    std::uint8_t *encoded = nullptr;
    const std::size_t size = WebPEncodeLosslessRGB(rgb.data(), width, height, width * 3, &encoded);
    Bytes bytes(encoded, encoded + size);
    WebPFree(encoded);
    return bytes;
}

Bytes pngHeaderOnly(std::uint32_t width, std::uint32_t height)
{
    Bytes bytes = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    Bytes header;
    putNumber(header, width, 4, true);
    putNumber(header, height, 4, true);
    header.insert(header.end(), {8, 2, 0, 0, 0});
    for (const Bytes &part : {chunk("IHDR", header), chunk("IDAT", {}), chunk("IEND", {})})
        bytes.insert(bytes.end(), part.begin(), part.end());
    return bytes;
}

Bytes withPngChunk(const Bytes &png, std::string_view type, const Bytes &data)
{
    Bytes result = png;
    const Bytes added = chunk(type, data);
    result.insert(result.begin() + 8 + 25, added.begin(), added.end()); // after IHDR
    return result;
}

Bytes exifBlock(int orientation, bool bigEndian)
{
    Bytes block;
    block.insert(block.end(), 2, bigEndian ? 'M' : 'I');
    putNumber(block, 42, 2, bigEndian);
    putNumber(block, 8, 4, bigEndian);
    putNumber(block, 2, 2, bigEndian);
    putNumber(block, 0x010F, 2, bigEndian); // maker, before the tag that is wanted
    putNumber(block, 2, 2, bigEndian);
    putNumber(block, 1, 4, bigEndian);
    putNumber(block, 0, 4, bigEndian);
    putNumber(block, 0x0112, 2, bigEndian);
    putNumber(block, 3, 2, bigEndian);
    putNumber(block, 1, 4, bigEndian);
    putNumber(block, static_cast<std::uint32_t>(orientation), 2, bigEndian);
    putNumber(block, 0, 2, bigEndian);
    putNumber(block, 0, 4, bigEndian);
    return block;
}

Bytes withJpegOrientation(const Bytes &jpeg, int orientation, bool bigEndian)
{
    const Bytes block = exifBlock(orientation, bigEndian);
    Bytes segment = {0xFF, 0xE1};
    putNumber(segment, static_cast<std::uint32_t>(block.size() + 8), 2, true);
    segment.insert(segment.end(), {'E', 'x', 'i', 'f', 0, 0});
    segment.insert(segment.end(), block.begin(), block.end());
    Bytes result = jpeg;
    result.insert(result.begin() + 2, segment.begin(), segment.end());
    return result;
}

} // namespace picture
