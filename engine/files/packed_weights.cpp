// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/packed_weights.h"

#include "base/checked.h"
#include "files/printable.h"
#include "files/stored_model.h"
#include "files/tensor_recipe.h"
#include "kernels/convert.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

namespace engine {

namespace {

constexpr std::int64_t kBlock = 32; // of Int4 and Int8
constexpr std::array<std::string_view, 4> kEndings{".qweight", ".qzeros", ".scales", ".g_idx"};
constexpr std::size_t kAlreadyWeight = 4;

struct Parts {
    std::array<const FileTensor *, 4> parts{};   // as kEndings
    const FileTensor *plain = nullptr;           // X.weight, which must not be there too
};

std::uint32_t wordAt(std::span<const std::byte> bytes, std::int64_t index)
{
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + static_cast<std::size_t>(index) * 4, sizeof value);
    return value;
}

// A matrix as GPTQ or AWQ packs it. Everything was checked when it was built.
class PackedMatrixRecipe final : public TensorRecipe {
public:
    PackedQuantisation packed;
    std::int64_t in = 0, out = 0, groups = 0, groupSize = 0;
    std::span<const std::byte> weights, zeros, scales; // zeros may be none: symmetric
    DType scaleType = DType::F16;
    std::vector<std::int32_t> order; // group of each input; empty: in file order
    DType dtype = DType::F16;        // what make() gives when not exact

    std::vector<std::span<const std::byte>> sources() const override { return {weights, zeros, scales}; }

    Result<MadeBytes> makeOn(kernels::ThreadPool &pool, bool exact) const override
    {
        MadeBytes made;
        made.dtype = exact && dtype == DType::F16 ? DType::F32 : dtype;
        made.bytes.resize(kernels::rowBytes(made.dtype, static_cast<std::size_t>(in)) * static_cast<std::size_t>(out));
        if (made.dtype == DType::Int4 || made.dtype == DType::Int8)
            pool.forEach(in / kBlock, 4, [&](int, std::int64_t begin, std::int64_t end) { makeBlocks(made, begin, end); });
        else
            pool.forEach(in, 64, [&](int, std::int64_t begin, std::int64_t end) { makePlain(made, begin, end); });
        return made;
    }

private:
    bool isAwq() const { return packed.layout == PackedLayout::Awq; }

    // Numbers packed along the inputs of one output, low bits first, as one stream of bits (GPTQ).
    int alongInputs(std::int64_t input, std::int64_t output) const
    {
        const std::int64_t bit = input * packed.bits;
        const std::int64_t word = bit / 32;
        const auto shift = static_cast<unsigned>(bit % 32);
        std::uint64_t both = wordAt(weights, word * out + output);
        if (shift + static_cast<unsigned>(packed.bits) > 32)
            both |= std::uint64_t{wordAt(weights, (word + 1) * out + output)} << 32;
        return static_cast<int>((both >> shift) & ((1U << packed.bits) - 1));
    }
    // AWQ: word c of a row holds outputs 8c + [0, 2, 4, 6, 1, 3, 5, 7], low nibbles first.
    int awqNibble(std::span<const std::byte> words, std::int64_t row, std::int64_t output) const
    {
        constexpr int place[8] = {0, 4, 1, 5, 2, 6, 3, 7};
        return static_cast<int>((wordAt(words, row * (out / 8) + output / 8) >> (4 * place[output % 8])) & 15U);
    }
    int quant(std::int64_t input, std::int64_t output) const
    {
        return isAwq() ? awqNibble(weights, input, output) : alongInputs(input, output);
    }
    int zero(std::int64_t group, std::int64_t output) const
    {
        const int most = (1 << packed.bits) - 1;
        if (zeros.empty())
            return (most + 1) / 2;
        if (isAwq())
            return awqNibble(zeros, group, output);
        const std::int64_t words = out * packed.bits / 32;
        const std::int64_t bit = output * packed.bits;
        const std::int64_t word = bit / 32;
        const auto shift = static_cast<unsigned>(bit % 32);
        std::uint64_t both = wordAt(zeros, group * words + word);
        if (shift + static_cast<unsigned>(packed.bits) > 32)
            both |= std::uint64_t{wordAt(zeros, group * words + word + 1)} << 32;
        const int stored = static_cast<int>((both >> shift) & static_cast<unsigned>(most));
        // The first format stores one less, and what falls below 0 comes round from the top.
        return packed.zerosAreOneLess ? (stored + 1) & most : stored;
    }
    float scale(std::int64_t group, std::int64_t output) const
    {
        float value = 0;
        const auto at = static_cast<std::size_t>(group * out + output);
        kernels::dequantizeRow(scaleType, scales.data() + at * kernels::rowBytes(scaleType, 1), 1, &value);
        return value;
    }

    // Blocks [begin, end) of every row.
    void makeBlocks(MadeBytes &made, std::int64_t begin, std::int64_t end) const
    {
        const bool isFour = made.dtype == DType::Int4;
        const std::size_t blockBytes = isFour ? 20 : 36;
        const std::int64_t blocks = in / kBlock;
        for (std::int64_t block = begin; block < end; ++block) {
            const std::int64_t group = block * kBlock / groupSize;
            for (std::int64_t output = 0; output < out; ++output) {
                std::byte *const target = made.bytes.data() + static_cast<std::size_t>(output * blocks + block) * blockBytes;
                std::memcpy(target, scales.data() + static_cast<std::size_t>(group * out + output) * 2, 2);
                target[2] = static_cast<std::byte>(zero(group, output)); // at most 255
                if (isFour && packed.bits == 4 && !isAwq()) { // the usual case, several times as fast
                    for (std::int64_t j = 0; j < 16; ++j) {
                        const std::uint32_t low = wordAt(weights, (block * 4 + j / 8) * out + output) >> (4 * (j % 8));
                        const std::uint32_t high = wordAt(weights, (block * 4 + 2 + j / 8) * out + output) >> (4 * (j % 8));
                        target[4 + j] = static_cast<std::byte>((low & 15U) | ((high & 15U) << 4));
                    }
                    continue;
                }
                for (std::int64_t j = 0; j < (isFour ? 16 : 32); ++j) {
                    const int low = quant(block * kBlock + j, output);
                    const int high = isFour ? quant(block * kBlock + j + 16, output) << 4 : 0;
                    target[4 + j] = static_cast<std::byte>(low | high);
                }
            }
        }
    }

    // Inputs [begin, end) of every row.
    void makePlain(MadeBytes &made, std::int64_t begin, std::int64_t end) const
    {
        const std::size_t size = made.dtype == DType::F32 ? 4 : 2;
        for (std::int64_t output = 0; output < out; ++output) { // what is written lies together
            for (std::int64_t input = begin; input < end; ++input) {
                const std::int64_t group = order.empty() ? input / groupSize : order[static_cast<std::size_t>(input)];
                const float value = scale(group, output) * static_cast<float>(quant(input, output) - zero(group, output));
                std::byte *const target = made.bytes.data() + static_cast<std::size_t>(output * in + input) * size;
                const std::uint16_t half = kernels::floatToHalf(value);
                if (size == 4)
                    std::memcpy(target, &value, sizeof value);
                else
                    std::memcpy(target, &half, sizeof half);
            }
        }
    }
};

class Assembler {
public:
    Assembler(const PackedQuantisation &packed, const std::string &fileName) : m_packed(packed), m_fileName(fileName) {}

    Result<FileTensor> assemble(const std::string &stem, const Parts &parts) const
    {
        const auto *const weights = parts.parts[0], *const zeros = parts.parts[1], *const scales = parts.parts[2],
                   *const order = parts.parts[3];
        if (weights == nullptr || scales == nullptr)
            return Error(ErrorCode::BadFile, m_fileName + " has no tensor "
                    + inQuotes(stem + (weights == nullptr ? ".qweight" : ".scales")) + ", which the packed weights of " + inQuotes(stem) + " need.");
        if (parts.plain != nullptr)
            return Error(ErrorCode::BadFile, m_fileName + " has the weights of " + inQuotes(stem) + " twice: packed and as " + inQuotes(parts.plain->name) + ".");
        auto recipe = std::make_shared<PackedMatrixRecipe>();
        recipe->packed = m_packed;
        ENGINE_CHECK(readSizes(*recipe, *weights, *scales));
        if (zeros != nullptr) {
            ENGINE_CHECK(need(*zeros, DType::I32, Shape{recipe->groups, recipe->out * m_packed.bits / 32}));
            recipe->zeros = zeros->bytes;
        } else if (!m_packed.isSymmetric) {
            return Error(ErrorCode::BadFile, m_fileName + " has no tensor " + inQuotes(stem + ".qzeros") + ", and its configuration does not say that the quantisation is symmetric.");
        }
        if (order != nullptr)
            ENGINE_CHECK(readOrder(*recipe, *order));
        recipe->weights = weights->bytes;
        recipe->scales = scales->bytes;
        recipe->scaleType = scales->dtype;
        ENGINE_CHECK(checkScales(*recipe, *scales));
        const bool isBlocks = recipe->order.empty() && recipe->groupSize % kBlock == 0 && recipe->in % kBlock == 0 && scales->dtype == DType::F16;
        recipe->dtype = !isBlocks ? DType::F16 : m_packed.bits <= 4 ? DType::Int4 : DType::Int8;
        FileTensor tensor;
        tensor.name = stem + ".weight";
        tensor.dtype = recipe->dtype;
        tensor.shape = Shape{recipe->out, recipe->in};
        tensor.recipe = std::move(recipe);
        return tensor;
    }

private:
    Status need(const FileTensor &tensor, DType dtype, const Shape &shape) const
    {
        if (tensor.recipe || tensor.dtype != dtype || tensor.shape != shape) {
            return Error(ErrorCode::BadFile, "In " + m_fileName + " the tensor " + inQuotes(tensor.name) + " is "
                    + std::string(typeName(tensor)) + " " + shapeText(tensor.shape) + " where "
                    + std::string(kernels::dtypeInfo(dtype).name) + " " + shapeText(shape) + " is needed.");
        }
        return Done{};
    }

    Status readSizes(PackedMatrixRecipe &recipe, const FileTensor &weights, const FileTensor &scales) const
    {
        const bool isAwq = m_packed.layout == PackedLayout::Awq;
        const std::int64_t bits = m_packed.bits;
        const bool isMatrix = !weights.recipe && weights.dtype == DType::I32 && weights.shape.rank == 2 && weights.shape[0] > 0 && weights.shape[1] > 0
            && weights.shape[0] < (1 << 24) && weights.shape[1] < (1 << 24); // so that the products below cannot overflow
        if (!isMatrix)
            return Error(ErrorCode::BadFile, "In " + m_fileName + " the tensor " + inQuotes(weights.name) + " is no I32 matrix.");
        recipe.in = isAwq ? weights.shape[0] : weights.shape[0] * 32 / bits;
        recipe.out = isAwq ? weights.shape[1] * 32 / bits : weights.shape[1];
        const std::int64_t packedSide = isAwq ? recipe.out : recipe.in;
        if (packedSide * bits % 32 != 0 || (isAwq ? weights.shape[1] : weights.shape[0]) != packedSide * bits / 32 || recipe.out * bits % 32 != 0)
            return Error(ErrorCode::BadFile, "In " + m_fileName + " the tensor " + inQuotes(weights.name) + " is " + shapeText(weights.shape)
                    + ", which numbers of " + std::to_string(bits) + " bits cannot fill.");
        recipe.groupSize = m_packed.groupSize < 0 ? recipe.in : m_packed.groupSize;
        recipe.groups = (recipe.in + recipe.groupSize - 1) / recipe.groupSize;
        if (scales.recipe || (scales.dtype != DType::F16 && scales.dtype != DType::BF16 && scales.dtype != DType::F32))
            return Error(ErrorCode::BadFile, "In " + m_fileName + " the scales " + inQuotes(scales.name) + " are stored as "
                    + std::string(typeName(scales)) + ", F16, BF16 or F32 is needed.");
        return need(scales, scales.dtype, Shape{recipe.groups, recipe.out});
    }

    // Keeps the order only where it differs from the file's.
    Status readOrder(PackedMatrixRecipe &recipe, const FileTensor &order) const
    {
        ENGINE_CHECK(need(order, DType::I32, Shape{recipe.in}));
        bool isPlain = true;
        recipe.order.resize(static_cast<std::size_t>(recipe.in));
        for (std::int64_t i = 0; i < recipe.in; ++i) {
            const auto group = static_cast<std::int64_t>(static_cast<std::int32_t>(wordAt(order.bytes, i)));
            if (group < 0 || group >= recipe.groups)
                return Error(ErrorCode::BadFile, "In " + m_fileName + " the tensor " + inQuotes(order.name) + " sends input " + std::to_string(i)
                        + " to group " + std::to_string(group) + " of " + std::to_string(recipe.groups) + ".");
            recipe.order[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(group);
            isPlain = isPlain && group == i / recipe.groupSize;
        }
        if (isPlain)
            recipe.order.clear();
        return Done{};
    }

    Status checkScales(const PackedMatrixRecipe &recipe, const FileTensor &scales) const
    {
        std::vector<float> row(static_cast<std::size_t>(recipe.out));
        const std::size_t bytes = kernels::rowBytes(scales.dtype, row.size());
        for (std::int64_t group = 0; group < recipe.groups; ++group) {
            kernels::dequantizeRow(scales.dtype, scales.bytes.data() + static_cast<std::size_t>(group) * bytes, recipe.out, row.data());
            if (!std::all_of(row.begin(), row.end(), [](float value) { return std::isfinite(value); }))
                return Error(ErrorCode::BadFile, "In " + m_fileName + " the tensor " + inQuotes(scales.name) + " holds values that are not numbers.");
        }
        return Done{};
    }

    const PackedQuantisation &m_packed;
    const std::string &m_fileName;
};

} // namespace

Result<std::vector<FileTensor>> attachPackedWeights(std::vector<FileTensor> tensors, const PackedQuantisation &packed,
    const std::string &fileName)
{
    std::map<std::string, Parts> matrices;
    std::vector<FileTensor> kept;
    const auto endingOf = [](const std::string &name) {
        const auto found = std::find_if(kEndings.begin(), kEndings.end(), [&](std::string_view ending) { return name.ends_with(ending); });
        return static_cast<std::size_t>(found - kEndings.begin());
    };
    for (const FileTensor &tensor : tensors) {
        const std::size_t ending = endingOf(tensor.name);
        if (ending == kAlreadyWeight) {
            kept.push_back(tensor);
            continue;
        }
        const std::string stem = tensor.name.substr(0, tensor.name.size() - kEndings[ending].size());
        if (packed.layout == PackedLayout::None) {
            return Error(ErrorCode::Unsupported, "Diptych cannot run this model: the tensor " + inQuotes(tensor.name) + " of " + fileName
                    + " is packed, and neither quantization_config in config.json nor quantize_config.json nor quant_config.json says how (gptq or awq).");
        }
        const FileTensor *&place = matrices[stem].parts[ending];
        if (place != nullptr)
            return Error(ErrorCode::BadFile, "The tensor " + inQuotes(tensor.name) + " of " + fileName + " stands in two places.");
        place = &tensor;
    }
    for (const FileTensor &tensor : kept) {
        if (!tensor.name.ends_with(".weight"))
            continue;
        if (const auto found = matrices.find(tensor.name.substr(0, tensor.name.size() - 7)); found != matrices.end())
            found->second.plain = &tensor;
    }
    const Assembler assembler(packed, fileName);
    std::vector<FileTensor> made;
    for (const auto &[stem, parts] : matrices) {
        ENGINE_TRY(FileTensor tensor, assembler.assemble(stem, parts));
        made.push_back(std::move(tensor));
    }
    kept.insert(kept.end(), std::make_move_iterator(made.begin()), std::make_move_iterator(made.end()));
    return kept;
}

} // namespace engine
