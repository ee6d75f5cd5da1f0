// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/card_need.h"

#include "files/inspect.h"
#include "kernels/convert.h"

#include <algorithm>
#include <bit>

namespace engine {

namespace {

constexpr std::uint64_t kPage = std::uint64_t{2} << 20U; // what a card gives out
constexpr std::uint64_t kFixedBytes = std::uint64_t{96} << 20U; // staging, numbers of the step, code, small buffers
constexpr std::uint64_t kSliceBytes = std::uint64_t{512} << 20U; // of widened weights
constexpr int kMostRows = 4096; // of a prompt at once, as scheduler.cpp has it
constexpr std::uint64_t kScoreBytes = std::uint64_t{64} << 20U; // of the tokens an indexer chooses from
constexpr double kBytesAtOnce = 3.3e13;
constexpr std::uint64_t kTowerRows = 8192;

std::uint64_t bytesOnCard(const FileTensor &tensor)
{
    const auto elements = static_cast<std::uint64_t>(tensor.shape.elements());
    const auto endsWith = [&](std::string_view ending) { return tensor.name.ends_with(ending); };
    if (tensor.shape.rank <= 1 || endsWith(".mlp.gate.weight") || tensor.name == "vision.pos_embed")
        return elements * sizeof(float);
    const bool isComputed = endsWith(".kv_b_proj.weight") || endsWith(".k_b_proj.weight") || endsWith(".v_b_proj.weight")
        || tensor.name == "vision.patch_embed.proj.weight" || tensor.name == "projector.layers.0.weight";
    switch (tensor.dtype) {
    case DType::F32: return isComputed ? elements * 2 : elements * 4;
    case DType::F16:
    case DType::BF16: return elements * 2;
    case DType::F8E4M3: return isComputed ? elements * 2 : elements + elements / 32; // a scale for 128 columns of a row
    case DType::Q8_0:
    case DType::Q4_0:
    case DType::Q4_1:
    case DType::Q5_0:
    case DType::Q5_1:
    case DType::Q4_K:
    case DType::Q5_K:
    case DType::Q6_K: {
        const std::int64_t columns = std::max<std::int64_t>(tensor.shape[tensor.shape.rank - 1], 1);
        const std::size_t row = kernels::rowBytes(tensor.dtype, static_cast<std::size_t>(columns));
        return isComputed ? elements * 2 : row * (elements / static_cast<std::uint64_t>(columns));
    }
    default: return elements * 2; // no kernels: bfloat16
    }
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
    const std::uint64_t streams = 2 * hidden, widest = std::max(attention, 3 * dense + number(moe.routedExperts));
    // The same as bfloat16 for the tensor cores; of experts the middle of every chosen one and its result.
    const std::uint64_t narrow = 2 * std::max({hidden, dense, heads * (text.attention == AttentionKind::Latent ? latent + rope : number(text.headDim))});
    const std::uint64_t chosen = number(moe.expertsPerToken) * (2 * number(moe.expertIntermediate) + 4 * hidden);
    need.activeBytes = activeBytes;
    need.workRowBytes = 4 * (streams + widest) + narrow + (moe.routedExperts > 0 ? chosen : 0);
    need.workBytes = kFixedBytes + 4 * (hidden + number(text.vocabulary)) + (indexer.heads > 0 ? kScoreBytes : 0);
    if (isQuantised) {
        // Not the output layer: an answer needs the logits of its last row alone.
        const std::uint64_t largest =
            std::max(2 * number(moe.routedExperts) * number(moe.expertIntermediate) * hidden, 2 * dense * hidden);
        need.workBytes += std::min(kSliceBytes, 2 * largest);
    }
    if (!config.vision)
        return;
    const VisionConfig &vision = *config.vision;
    const std::uint64_t width = number(vision.width), side = number(vision.imageSize / std::max(vision.patch, 1));
    const std::uint64_t tile = std::max<std::uint64_t>(side * side, 1);
    const std::uint64_t tiles = std::max<std::uint64_t>(kTowerRows / tile, 1);
    const std::uint64_t squares = tile / 4 + side + 1;
    const std::uint64_t patch = 3 * number(vision.patch) * number(vision.patch);
    need.workBytes += tiles * (tile * 4 * (patch + 5 * width + number(vision.mlpHidden))
        + squares * 4 * (width * number(vision.downsample) * number(vision.downsample) + 2 * number(vision.projectorOut)));
}

CardNeed cardNeed(const ModelFiles &files)
{
    const ModelConfig &config = files.config();
    CardNeed need;
    std::uint64_t small = 0, quantised = 0, embeddings = 0;
    need.layerBytes.assign(static_cast<std::size_t>(std::max(config.text.layers, 0)), 0);
    for (const FileTensor &tensor : files.tensors()) {
        if (!isLoaded(config.text, tensor.name))
            continue;
        std::uint64_t bytes = bytesOnCard(tensor);
        const bool isExpert = tensor.name.find(".mlp.experts.") != std::string::npos;
        if (bytes < kPage / 2)
            small += isExpert ? 0 : bytes; // several share a page
        else if (!isExpert) // experts of a layer become one weight
            bytes = (bytes + kPage - 1) / kPage * kPage;
        need.weightBytes += bytes;
        if (const int layer = layerOf(config.text, tensor.name); layer >= 0)
            need.layerBytes[static_cast<std::size_t>(layer)] += bytes;
        need.expertBytes += isExpert ? bytes : 0;
        need.visionBytes += config.vision && !tensor.name.starts_with(config.text.tensorPrefix) ? bytes : 0;
        quantised += kernels::dtypeInfo(tensor.dtype).isQuantised ? bytes : 0;
        embeddings += tensor.name.ends_with("embed_tokens.weight") && !config.text.tiedEmbeddings ? bytes : 0;
    }
    need.embeddingBytes = embeddings;
    need.weightBytes += (small + kPage - 1) / kPage * kPage - small;
    const MoeConfig &moe = config.text.moe;
    const double share = moe.routedExperts > 0 ? static_cast<double>(moe.expertsPerToken) / moe.routedExperts : 0.0;
    const std::uint64_t always = need.weightBytes - need.expertBytes - std::min(embeddings + need.visionBytes, need.weightBytes - need.expertBytes);
    addCardWork(need, config, quantised * 2 > need.weightBytes,
        static_cast<double>(always) + static_cast<double>(need.expertBytes) * share);
    return need;
}

} // namespace engine
