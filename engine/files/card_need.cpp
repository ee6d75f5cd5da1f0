// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/card_need.h"

#include "backend/cuda_work.h"
#include "files/inspect.h"
#include "kernels/convert.h"
#include "kernels/packed_bytes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <string>
#include <utility>

namespace engine {

namespace {

constexpr std::uint64_t kPage = std::uint64_t{2} << 20U; // what a card gives out
constexpr std::uint64_t kSmallBytes = std::uint64_t{8} << 20U; // constants, routing, choosing
constexpr int kMostRows = 4096; // of a prompt at once, as scheduler.cpp has it
constexpr std::uint64_t kScoreBytes = std::uint64_t{64} << 20U; // of the tokens an indexer chooses from
constexpr double kBytesAtOnce = 3.3e13;
constexpr std::uint64_t kTowerRows = 8192;
constexpr std::uint64_t kLogits = std::uint64_t{8} << 20U; // made at once, as models/decoder.cpp has it

std::uint64_t bytesOnCard(const FileTensor &tensor)
{
    const auto elements = static_cast<std::uint64_t>(tensor.shape.elements());
    const auto endsWith = [&](std::string_view ending) { return tensor.name.ends_with(ending); };
    if (tensor.shape.rank <= 1 || endsWith(".mlp.gate.weight") || tensor.name == "vision.pos_embed")
        return elements * sizeof(float);
    const bool isComputed = endsWith(".kv_b_proj.weight") || endsWith(".k_b_proj.weight") || endsWith(".v_b_proj.weight")
        || tensor.name == "vision.patch_embed.proj.weight" || tensor.name == "projector.layers.0.weight";
    if (isComputed)
        return elements * 2;
    const std::int64_t columns = std::max<std::int64_t>(tensor.shape[tensor.shape.rank - 1], 1);
    if (const std::size_t packed = kernels::cuda::packedBytes(tensor.dtype, 1, static_cast<std::int64_t>(elements) / columns, columns,
            tensor.scaleBlockRows, tensor.scales.empty() ? 128 : tensor.scaleBlockColumns))
        return packed;
    switch (tensor.dtype) {
    case DType::F32: return elements * 4;
    case DType::F8E4M3: return elements + tensor.scales.size();
    case DType::Q8_0:
    case DType::Q4_0:
    case DType::Q4_1:
    case DType::Q5_0:
    case DType::Q5_1:
    case DType::Q4_K:
    case DType::Q5_K:
    case DType::Q6_K: return kernels::rowBytes(tensor.dtype, static_cast<std::size_t>(columns)) * (elements / static_cast<std::uint64_t>(columns));
    default: return elements * 2; // bfloat16, or no kernels: made so
    }
}

// The picture path: the tower with its tiles, the pictures as the model sees them, what resizing works in.
void addVisionWork(CardNeed &need, const VisionConfig &vision)
{
    const auto number = [](int value) { return static_cast<std::uint64_t>(std::max(value, 0)); };
    const auto inSteps = [](std::uint64_t columns) { return (columns + 31) / 32 * 32; };
    const std::uint64_t width = number(vision.width), side = number(vision.imageSize / std::max(vision.patch, 1));
    const std::uint64_t downsample = std::max<std::uint64_t>(number(vision.downsample), 1), grid = (side + downsample - 1) / downsample;
    const std::uint64_t pixels = number(vision.imageSize) * number(vision.imageSize) * 3;
    std::uint64_t locals = 1, tokens = 0;
    for (const auto &[wide, high] : vision.candidateResolutions) {
        const std::uint64_t across = number(wide / std::max(vision.imageSize, 1)), down = number(high / std::max(vision.imageSize, 1));
        locals = std::max(locals, across * down);
        tokens = std::max(tokens, down * grid * (across * grid + 1));
    }
    tokens += grid * (grid + 1) + 1;
    const std::uint64_t perTile = std::max<std::uint64_t>(side * side, 1);
    const std::uint64_t tiles = std::clamp<std::uint64_t>(kTowerRows / perTile, 1, locals + 1);
    const std::uint64_t rows = tiles * perTile, squares = tiles * grid * grid, folded = width * downsample * downsample;
    const std::uint64_t patch = inSteps(3 * number(vision.patch) * number(vision.patch));
    need.workBytes += 4 * rows * (patch + 5 * width + inSteps(number(vision.mlpHidden))) + 4 * squares * (folded + 2 * number(vision.projectorOut));
    // Rounded: the last norm, and what the first product or the projector's reads.
    need.workBytes += 2 * rows * width + 2 * std::max(rows * patch, squares * folded);
    need.workBytes += pixels * (1 + locals) + 2 * pixels * locals;
    need.pictureBytes = 4 * tokens * number(vision.projectorOut);
}

} // namespace

void addCardWork(CardNeed &need, const ModelConfig &config, bool isQuantised, double activeBytes)
{
    const TextConfig &text = config.text;
    const MoeConfig &moe = text.moe;
    const auto number = [](int value) { return static_cast<std::uint64_t>(std::max(value, 0)); };
    const std::uint64_t hidden = number(text.hidden), heads = number(text.heads);
    const double rows = kBytesAtOnce / std::max(activeBytes, 1.0);
    need.chunkRows = rows >= kMostRows ? kMostRows
                                       : std::max(16, static_cast<int>(std::bit_floor(static_cast<unsigned>(std::max(rows, 1.0)))));
    // Activations of the widest half of a layer, float32.
    const std::uint64_t latent = number(text.kvLoraRank), rope = number(text.ropeHeadDim), nope = number(text.nopeHeadDim);
    const IndexerConfig &indexer = text.indexer;
    const std::uint64_t selection = indexer.heads > 0
        ? (number(indexer.heads) + 1) * number(indexer.headDim) + number(indexer.heads) + number(std::min(indexer.tokens, text.contextTokens))
        : 0;
    const std::uint64_t attention = selection + (text.attention == AttentionKind::Latent
        ? 2 * heads * (nope + rope) + number(text.queryLoraRank) + latent + rope + heads * (2 * latent + rope + number(text.valueHeadDim))
        : (heads * 3 + 2 * number(text.kvHeads)) * number(text.headDim));
    const std::uint64_t shared = number(moe.sharedExperts) * number(moe.expertIntermediate);
    const std::uint64_t dense = std::max(number(text.intermediate), shared);
    const std::uint64_t perToken = number(moe.expertsPerToken), expert = number(moe.expertIntermediate);
    std::uint64_t streams = 2 * hidden, widest = std::max(attention, 3 * dense + number(moe.routedExperts) + 2 * perToken);
    if (text.crossModal) {
        streams += hidden;
        widest = std::max(widest, 2 * hidden + 2 * number(text.crossModal->heads) * number(text.crossModal->headDim) + 2);
    }
    const bool isLatent = text.attention == AttentionKind::Latent;
    // The same as bfloat16 for the tensor cores: what norms, attention and rotation leave for the next product, what a
    // product reads beside these, and the middle of a layer. Of experts the middle of every chosen one and its result.
    const std::uint64_t queryWidth = heads * (isLatent ? nope + rope : number(text.headDim));
    const std::uint64_t resultWidth = heads * (isLatent ? number(text.valueHeadDim) : number(text.headDim));
    const std::uint64_t left = hidden + resultWidth + (isLatent ? number(text.queryLoraRank) : queryWidth);
    const std::uint64_t read = std::max({queryWidth, dense, perToken * hidden, isLatent ? heads * latent : 0});
    const std::uint64_t middle = std::max(dense, perToken * expert);
    need.activeBytes = activeBytes;
    need.workRowBytes = 4 * (streams + widest) + 2 * (left + read + middle + perToken * hidden) + 4 * perToken;
    // Logits of the answers side by side; their activations as pairs of float16.
    const std::uint64_t vocabulary = std::max<std::uint64_t>(number(text.vocabulary), 1);
    const std::uint64_t logitRows = std::clamp<std::uint64_t>(kLogits / vocabulary, 1, cudawork::kFewRows);
    const auto split = [](std::uint64_t columns) {
        constexpr std::uint64_t kMost = std::uint64_t{1} << 40U; // of a configuration that means nothing
        return static_cast<std::uint64_t>(cudawork::splitBytes(cudawork::kFewRows, static_cast<std::int64_t>(std::min(columns, kMost))));
    };
    need.workBytes = kCodeBytes + kSmallBytes + 4 * logitRows * (hidden + vocabulary) + (indexer.heads > 0 ? kScoreBytes : 0)
        + 2 * split(2 * hidden + widest + resultWidth) + split(perToken * expert + shared) + 4 * cudawork::kFewRows * perToken * hidden;
    // The output layer is not widened: an answer needs the logits of its last row alone.
    if (isQuantised) {
        const std::uint64_t experts = number(moe.routedExperts);
        const std::uint64_t atOnce = experts * expert * hidden == 0
            ? 0
            : static_cast<std::uint64_t>(cudawork::expertsAtOnce(static_cast<std::int64_t>(2 * expert * hidden), static_cast<std::int64_t>(experts)));
        const std::uint64_t matrices = std::max({2 * dense, queryWidth, resultWidth, attention / 2}) * hidden;
        need.widenedBytes = std::max(2 * atOnce * 2 * expert * hidden, std::min<std::uint64_t>(cudawork::kSliceBytes, 2 * matrices));
    }
    if (isLatent) {
        const std::uint64_t turned = 2 * heads * latent * cudawork::kHeadColumns;
        need.latentTokenBytes = 2 * (latent + rope);
        need.widenedBytes = std::max(need.widenedBytes, isQuantised ? 2 * turned : 0) + turned;
    }
    need.headTokenBytes = 4 * cudawork::kHeadColumns;
    need.keyTokenBytes = need.headTokenBytes * (isLatent ? heads : number(text.kvHeads));
    need.partBytes = heads * (4 * (isLatent ? latent : number(text.headDim)) + 8);
    if (config.vision)
        addVisionWork(need, *config.vision);
    if (config.vision && text.crossModal && hidden > 0)
        need.pictureBytes += need.pictureBytes / hidden * 2 * number(text.crossModal->heads) * number(text.crossModal->headDim) * text.crossModal->layers.size();
    need.workBytes += (kKeptPictures + 1) * need.pictureBytes; // and one that is being looked at
}

namespace {

// The weight that a tensor becomes a part of: experts of a layer are one, and what reads the same input is joined
// (models/weight_loader.h).
std::string weightOf(const FileTensor &tensor)
{
    std::string name(tensor.name);
    if (const auto experts = name.find(".mlp.experts."); experts != std::string::npos) {
        const auto number = experts + std::string_view(".mlp.experts.").size();
        if (number < name.size() && name[number] >= '0' && name[number] <= '9')
            name.erase(number, name.find('.', number) + 1 - number);
        return name;
    }
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kJoined{{{".q_proj.weight", ".q"}, {".k_proj.weight", ".q"},
        {".v_proj.weight", ".q"}, {".q_a_proj.weight", ".q"}, {".kv_a_proj_with_mqa.weight", ".q"}, {".gate_proj.weight", ".gate"},
        {".up_proj.weight", ".gate"}}};
    for (const auto &[ending, together] : kJoined) {
        if (name.ends_with(ending))
            return name.substr(0, name.size() - ending.size()) + std::string(together) + std::to_string(static_cast<int>(tensor.dtype));
    }
    return name;
}

} // namespace

CardNeed cardNeed(const ModelFiles &files)
{
    const ModelConfig &config = files.config();
    CardNeed need;
    std::uint64_t quantised = 0;
    need.layerBytes.assign(static_cast<std::size_t>(std::max(config.text.layers, 0)), 0);
    struct Whole {
        std::uint64_t bytes = 0;
        int layer = -1;
        bool isExpert = false, isVision = false, isEmbedding = false;
    };
    std::map<std::string, Whole> wholes;
    for (const FileTensor &tensor : files.tensors()) {
        // Its copies of the embeddings and of the output layer are not loaded.
        const int layer = layerOf(config.text, tensor.name);
        const bool isGuess = layer >= config.text.layers && !tensor.name.ends_with("embed_tokens.weight")
            && !tensor.name.ends_with("shared_head.head.weight");
        if (!isGuess && !isLoaded(config.text, tensor.name))
            continue;
        const std::uint64_t bytes = bytesOnCard(tensor);
        Whole &whole = wholes[weightOf(tensor)];
        whole.bytes += bytes;
        whole.layer = layer;
        whole.isExpert = tensor.name.find(".mlp.experts.") != std::string::npos;
        whole.isVision = config.vision && !tensor.name.starts_with(config.text.tensorPrefix);
        whole.isEmbedding = tensor.name.ends_with("embed_tokens.weight") && !config.text.tiedEmbeddings;
        quantised += isGuess ? 0 : kernels::dtypeInfo(tensor.dtype).isQuantised ? bytes : 0;
    }
    std::uint64_t small = 0;
    for (const auto &[name, whole] : wholes) {
        const bool isTwo = name.ends_with(".kv_b_proj.weight"); // key and value matrices
        const std::uint64_t each = isTwo ? (whole.bytes + 1) / 2 : whole.bytes, page = each < kPage / 2 ? 1 : kPage;
        const std::uint64_t bytes = (isTwo ? 2 : 1) * ((each + page - 1) / page * page);
        if (whole.layer >= config.text.layers) {
            need.guessBytes += bytes;
            continue;
        }
        small += page == 1 ? bytes : 0; // several share a page
        need.weightBytes += bytes;
        need.expertBytes += whole.isExpert ? bytes : 0;
        need.visionBytes += whole.isVision ? bytes : 0;
        need.embeddingBytes += whole.isEmbedding ? bytes : 0;
        if (whole.layer >= 0)
            need.layerBytes[static_cast<std::size_t>(whole.layer)] += bytes;
    }
    need.weightBytes += (small + kPage - 1) / kPage * kPage - small;
    const MoeConfig &moe = config.text.moe;
    const double share = moe.routedExperts > 0 ? static_cast<double>(moe.expertsPerToken) / moe.routedExperts : 0.0;
    const std::uint64_t always = need.weightBytes - need.expertBytes
        - std::min(need.embeddingBytes + need.visionBytes, need.weightBytes - need.expertBytes);
    addCardWork(need, config, quantised * 2 > need.weightBytes,
        static_cast<double>(always) + static_cast<double>(need.expertBytes) * share);
    return need;
}

} // namespace engine
