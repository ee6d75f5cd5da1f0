// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "models/mtp_layer.h"

#include <algorithm>

namespace engine {
namespace {

// Released files repeat the embeddings and the output layer for the module.
bool isCopy(const ModelFiles &files, const std::string &name, const std::string &original)
{
    const FileTensor *const copy = files.find(name), *const first = files.find(original);
    return !copy || (first && copy->dtype == first->dtype && copy->shape == first->shape &&
                     std::ranges::equal(copy->bytes, first->bytes) && std::ranges::equal(copy->scales, first->scales));
}

} // namespace

Result<std::unique_ptr<MtpLayer>> MtpLayer::load(WeightLoader &loader, const LayerParts &parts,
    std::shared_ptr<const AttentionSettings> settings)
{
    const TextConfig &config = loader.config().text;
    const ModelFiles &files = *loader.context().files;
    const std::string model = config.tensorPrefix + "model.";
    const std::string prefix = model + "layers." + std::to_string(config.layers);
    auto module = std::make_unique<MtpLayer>();
    module->m_hidden = config.hidden;
    module->m_epsilon = config.rmsEpsilon;
    if (!isCopy(files, prefix + ".embed_tokens.weight", model + "embed_tokens.weight")) {
        ENGINE_TRY(module->m_embeddings,
            loader.table(prefix + ".embed_tokens.weight", config.vocabulary, config.hidden, WeightLoader::TableUse::Rows));
    }
    ENGINE_TRY(module->m_embeddingNorm, loader.vector(prefix + ".enorm.weight", config.hidden));
    ENGINE_TRY(module->m_hiddenNorm, loader.vector(prefix + ".hnorm.weight", config.hidden));
    ENGINE_TRY(module->m_projection,
        loader.linear(prefix + ".eh_proj.weight", config.hidden, 2 * std::int64_t{config.hidden}));
    ENGINE_TRY(module->m_layer, loadDecoderLayer(loader, parts, config.layers, std::move(settings)));
    ENGINE_TRY(module->m_headNorm, loader.vector(prefix + ".shared_head.norm.weight", config.hidden));
    if (!isCopy(files, prefix + ".shared_head.head.weight", config.tensorPrefix + "lm_head.weight")) {
        ENGINE_TRY(module->m_head, loader.linear(prefix + ".shared_head.head.weight", config.vocabulary, config.hidden,
            WeightLoader::Storage::Careful));
    }
    return module;
}

Status MtpLayer::reserve(Backend &backend, std::int64_t rows)
{
    return m_stream.reserve(backend, Scratch::cost(rows, 2 * std::int64_t{m_hidden}) + Scratch::cost(rows, m_hidden));
}

std::int64_t MtpLayer::scratchFloats(std::int64_t rows) const
{
    return std::max(m_layer.attention->scratchFloats(rows), m_layer.feedForward->scratchFloats(rows));
}

void MtpLayer::forward(Step &step, const Weight &embeddings, Tensor hidden)
{
    Backend &backend = step.backend;
    const std::int64_t rows = step.rows;
    m_stream.clear();
    const Tensor joined = m_stream.take(rows, 2 * std::int64_t{m_hidden});
    const Tensor normed = m_stream.take(rows, m_hidden);
    backend.embed({.table = m_embeddings ? m_embeddings.get() : &embeddings, .ids = step.batch.ids, .output = normed});
    backend.rmsNorm({.input = normed, .weight = m_embeddingNorm.get(), .output = columnsOf(joined, 0, m_hidden),
        .epsilon = m_epsilon});
    backend.rmsNorm({.input = hidden, .weight = m_hiddenNorm.get(), .output = columnsOf(joined, m_hidden, m_hidden),
        .epsilon = m_epsilon});
    backend.linear({.input = joined, .weight = m_projection.get(), .output = hidden});
    m_layer.attend(step, hidden, normed, m_epsilon);
    m_layer.feed(step, hidden, normed, m_epsilon);
}

} // namespace engine
