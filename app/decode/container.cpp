// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "container.h"

#include "exif.h"

#include <array>
#include <cstring>
#include <limits>
#include <string_view>

namespace decode {

namespace {

constexpr std::string_view kReadable = "only PNG, JPEG, BMP and WebP pictures can be read.";

bool startsWith(Bytes bytes, std::string_view text, std::size_t offset = 0)
{
    const Bytes head = part(bytes, offset, text.size());
    return head.size() == text.size() && std::memcmp(head.data(), text.data(), text.size()) == 0;
}

std::string cutOff(std::string_view kind)
{
    return "The " + std::string(kind) + " picture is cut off: the file ends before its last part.";
}

// CRC-32 of PNG (PNG specification, annex D).
std::uint32_t crc32(Bytes bytes)
{
    static const std::array<std::uint32_t, 256> kTable = [] {
        std::array<std::uint32_t, 256> table{};
        for (std::uint32_t n = 0; n < 256; ++n) {
            std::uint32_t c = n;
            for (int k = 0; k < 8; ++k)
                c = (c & 1U) != 0 ? 0xEDB88320U ^ (c >> 1) : c >> 1;
            table[n] = c;
        }
        return table;
    }();
    std::uint32_t crc = 0xFFFFFFFFU;
    for (const std::uint8_t byte : bytes)
        crc = kTable[(crc ^ byte) & 0xFFU] ^ (crc >> 8);
    return crc ^ 0xFFFFFFFFU;
}

Container inspectPng(Bytes bytes)
{
    Container result;
    result.width = readNumber(bytes, 16, 4, true).value_or(0);
    result.height = readNumber(bytes, 20, 4, true).value_or(0);
    std::size_t at = 8;
    while (true) {
        const auto length = readNumber(bytes, at, 4, true);
        if (!length || at + 12 > bytes.size() || *length > bytes.size() - at - 12) {
            result.problem = cutOff("PNG");
            return result;
        }
        const Bytes typeAndData = bytes.subspan(at + 4, std::size_t(4) + *length);
        const bool critical = (typeAndData[0] & 0x20U) == 0;
        const auto stored = readNumber(bytes, at + 8 + *length, 4, true);
        const bool intact = stored == crc32(typeAndData);
        if (critical && !intact) {
            result.problem = "The PNG picture is damaged: the checksum of a part does not match its data.";
            return result;
        }
        if (intact && startsWith(typeAndData, "eXIf"))
            result.orientation = exifOrientation(typeAndData.subspan(4));
        if (startsWith(typeAndData, "IEND"))
            return result;
        at += std::size_t(12) + *length;
    }
}

Container inspectJpeg(Bytes bytes)
{
    Container result;
    result.problem = cutOff("JPEG");
    std::size_t at = 2;
    bool inScan = false;
    bool sawScan = false;
    while (at + 1 < bytes.size()) {
        if (bytes[at] != 0xFF) {
            if (!inScan) {
                result.problem = "The JPEG picture is damaged: there is no marker where one must be.";
                return result;
            }
            ++at;
            continue;
        }
        const std::uint8_t marker = bytes[at + 1];
        if (marker == 0xFF) { // fill byte
            ++at;
            continue;
        }
        if (inScan && (marker == 0x00 || (marker >= 0xD0 && marker <= 0xD7))) { // stuffed byte, restart
            at += 2;
            continue;
        }
        if (marker == 0xD9) {
            result.problem = sawScan ? std::string() : "The JPEG file holds no picture data.";
            return result;
        }
        const auto length = readNumber(bytes, at + 2, 2, true);
        if (!length || *length < 2 || *length > bytes.size() - at - 2)
            return result;
        const Bytes segment = bytes.subspan(at + 4, *length - 2);
        if (marker == 0xE1 && startsWith(segment, std::string_view("Exif\0\0", 6)))
            result.orientation = exifOrientation(segment.subspan(6));
        const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
        if (frame) {
            result.height = readNumber(segment, 1, 2, true).value_or(0);
            result.width = readNumber(segment, 3, 2, true).value_or(0);
        }
        inScan = marker == 0xDA;
        sawScan = sawScan || inScan;
        at += std::size_t(2) + *length;
    }
    return result;
}

Container inspectBmp(Bytes bytes)
{
    Container result;
    const auto dataAt = readNumber(bytes, 10, 4, false);
    const auto headerSize = readNumber(bytes, 14, 4, false);
    if (!dataAt || !headerSize || bytes.size() < 14 + std::size_t(*headerSize)) {
        result.problem = cutOff("BMP");
        return result;
    }
    const bool old = *headerSize == 12;
    const auto width = old ? readNumber(bytes, 18, 2, false) : readNumber(bytes, 18, 4, false);
    const auto height = old ? readNumber(bytes, 20, 2, false) : readNumber(bytes, 22, 4, false);
    const auto bits = readNumber(bytes, old ? 24 : 28, 2, false);
    if (!width || !height || !bits || *bits == 0 || *bits > 32) {
        result.problem = "The BMP picture's header is broken.";
        return result;
    }
    // A negative height means rows from the top. Both sides stay below 2^31, the product below 2^63.
    const std::uint64_t rows = *height & 0x80000000U ? std::uint64_t(0x100000000ULL) - *height : *height;
    result.width = *width;
    result.height = rows;
    const std::uint64_t rowBytes = (std::uint64_t(*width) * *bits + 31) / 32 * 4;
    if (rowBytes != 0 && rows > std::numeric_limits<std::uint64_t>::max() / rowBytes) {
        result.problem = "The BMP picture's header is broken.";
        return result;
    }
    const std::uint64_t needed = rowBytes * rows;
    if (*dataAt > bytes.size() || needed > bytes.size() - *dataAt)
        result.problem = cutOff("BMP");
    return result;
}

Container inspectWebP(Bytes bytes)
{
    Container result;
    const auto riffSize = readNumber(bytes, 4, 4, false);
    if (!riffSize || *riffSize > bytes.size() - 8) {
        result.problem = cutOff("WebP");
        return result;
    }
    std::size_t at = 12;
    while (at + 8 <= bytes.size()) {
        const auto size = readNumber(bytes, at + 4, 4, false);
        if (!size || *size > bytes.size() - at - 8)
            break; // bytes after the last chunk
        const Bytes data = bytes.subspan(at + 8, *size);
        if (startsWith(bytes, "EXIF", at)) {
            const bool prefixed = startsWith(data, std::string_view("Exif\0\0", 6));
            result.orientation = exifOrientation(prefixed ? data.subspan(6) : data);
        }
        at += 8 + std::size_t(*size) + (*size & 1U);
    }
    return result;
}

} // namespace

Format formatOf(Bytes bytes)
{
    if (startsWith(bytes, "\x89PNG\r\n\x1a\n"))
        return Format::Png;
    if (startsWith(bytes, "\xFF\xD8\xFF"))
        return Format::Jpeg;
    if (startsWith(bytes, "RIFF") && startsWith(bytes, "WEBP", 8))
        return Format::WebP;
    // Two letters alone would catch any text that begins with "BM"; the header's size must be a known one, too.
    if (startsWith(bytes, "BM")) {
        const auto header = readNumber(bytes, 14, 4, false);
        if (header && (*header == 12 || *header == 40 || *header == 52 || *header == 56 || *header == 108
                || *header == 124))
            return Format::Bmp;
    }
    return Format::Unknown;
}

std::string describeUnknown(Bytes bytes)
{
    struct Known {
        std::string_view magic;
        std::size_t offset;
        std::string_view name;
    };
    static constexpr std::array kKnown = {
        Known{"GIF87a", 0, "a GIF picture"},
        Known{"GIF89a", 0, "a GIF picture"},
        Known{std::string_view("II*\0", 4), 0, "a TIFF picture"},
        Known{std::string_view("MM\0*", 4), 0, "a TIFF picture"},
        Known{"<svg", 0, "an SVG drawing"},
        Known{"<?xml", 0, "an XML file (perhaps an SVG drawing)"},
        Known{"%PDF", 0, "a PDF document"},
        Known{"8BPS", 0, "a Photoshop picture"},
        Known{"icns", 0, "an ICNS icon"},
        Known{std::string_view("\0\0\1\0", 4), 0, "a Windows icon"},
        Known{"\xABKTX", 0, "a KTX texture"},
        Known{"DDS ", 0, "a DDS texture"},
        Known{"ftypavif", 4, "an AVIF picture"},
        Known{"ftypheic", 4, "a HEIC picture"},
        Known{"ftypmif1", 4, "a HEIF picture"},
        Known{"ftyp", 4, "a video or HEIF file"},
        Known{"\xFF\x0A", 0, "a JPEG XL picture"},
        Known{std::string_view("\0\0\0\x0CJXL ", 8), 0, "a JPEG XL picture"},
        Known{std::string_view("\0\0\0\x0CjP  ", 8), 0, "a JPEG 2000 picture"},
        Known{"PK\x03\x04", 0, "a ZIP archive"},
        Known{"\x7F" "ELF", 0, "a program"},
    };
    if (bytes.empty())
        return "The picture file is empty.";
    for (const Known &known : kKnown)
        if (startsWith(bytes, known.magic, known.offset))
            return "This is " + std::string(known.name) + "; " + std::string(kReadable);
    return "This file is not a picture, or of an unknown kind; " + std::string(kReadable);
}

Container inspectContainer(Format format, Bytes bytes)
{
    switch (format) {
    case Format::Png: return inspectPng(bytes);
    case Format::Jpeg: return inspectJpeg(bytes);
    case Format::Bmp: return inspectBmp(bytes);
    case Format::WebP: return inspectWebP(bytes);
    case Format::Unknown: break;
    }
    return {.problem = describeUnknown(bytes)};
}

} // namespace decode
