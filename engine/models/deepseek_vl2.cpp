// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "models/architectures.h"
#include "vision/vision_tower.h"

#include <algorithm>

namespace engine {
namespace {

class Vl2Encoder final : public VisionEncoder {
public:
    Vl2Encoder(const VisionConfig &config, VisionWeights weights, Backend &backend)
        : m_backend(backend)
        , m_preprocessor(config)
        , m_tower(config, std::move(weights), backend)
    {
    }
    const ImagePreprocessor &preprocessor() const override { return m_preprocessor; }
    Result<ImageTiles> prepare(const Image &image, int imageCount) override
    {
        return m_preprocessor.prepareOn(m_backend, image, imageCount);
    }
    Result<Buffer> encode(const ImageTiles &tiles, std::stop_token stop,
        const std::function<void(int done, int total)> &progress) override
    {
        return m_tower.encode(tiles, std::move(stop), progress);
    }

private:
    Backend &m_backend;
    ImagePreprocessor m_preprocessor;
    VisionTower m_tower;
};

Status checkVisionConfig(const VisionConfig &config, int hidden, const std::string &file)
{
    const auto wrong = [&](const std::string &what) {
        return Error{ErrorCode::BadFile, "The vision configuration of " + file + " cannot be right: " + what + "."};
    };
    if (config.width < 1 || config.layers < 1 || config.mlpHidden < 1)
        return wrong("width, layers and inner size must be positive");
    if (config.heads < 1 || config.width % config.heads != 0)
        return wrong(std::to_string(config.heads) + " heads do not divide the width " + std::to_string(config.width));
    if (config.patch < 1 || config.imageSize < config.patch || config.imageSize > 16384)
        return wrong("tiles of " + std::to_string(config.imageSize) + " pixels with patches of " +
                     std::to_string(config.patch));
    if (config.downsample < 1 || config.downsample > config.imageSize / config.patch)
        return wrong("a downsample ratio of " + std::to_string(config.downsample));
    if (config.projectorDepth < 1 || config.projectorDepth > 16)
        return wrong("a projector of " + std::to_string(config.projectorDepth) + " layers");
    if (config.projectorOut != hidden)
        return wrong("the projector makes vectors of " + std::to_string(config.projectorOut) +
                     " numbers and the text model reads " + std::to_string(hidden));
    for (const auto &[width, height] : config.candidateResolutions) {
        const bool fits = width >= config.imageSize && height >= config.imageSize &&
            width % config.imageSize == 0 && height % config.imageSize == 0 &&
            std::int64_t{width / config.imageSize} * (height / config.imageSize) <= 64;
        if (!fits)
            return wrong("a resolution of " + std::to_string(width) + "x" + std::to_string(height) +
                         " is not made of at most 64 tiles of " + std::to_string(config.imageSize) + " pixels");
    }
    for (const float deviation : config.std)
        if (!(deviation > 0.0F))
            return wrong("a standard deviation of the pixels is not positive");
    return Done{};
}

class VisionLoader {
public:
    explicit VisionLoader(WeightLoader &loader)
        : m_loader(loader)
        , m_config(*loader.config().vision)
    {
    }

    Result<VisionWeights> load()
    {
        VisionWeights weights;
        const std::int64_t width = m_config.width;
        weights.middle = columnsFor(m_config.mlpHidden);
        ENGINE_CHECK(loadPatch(weights));
        const std::int64_t side = m_config.imageSize / m_config.patch;
        ENGINE_TRY(weights.positions, activations("vision.pos_embed", {1, side * side, width}));
        for (int index = 0; index < m_config.layers; ++index) {
            const std::string prefix = "vision.blocks." + std::to_string(index) + ".";
            VisionWeights::Layer layer;
            ENGINE_TRY(layer.norm1, norm(prefix + "norm1"));
            ENGINE_TRY(layer.queryKeyValue, linear(prefix + "attn.qkv", 3 * width, width));
            ENGINE_TRY(layer.output, linear(prefix + "attn.proj", width, width));
            ENGINE_TRY(layer.norm2, norm(prefix + "norm2"));
            ENGINE_TRY(layer.up, padded(prefix + "mlp.fc1", m_config.mlpHidden, width, weights.middle, width));
            ENGINE_TRY(layer.down, padded(prefix + "mlp.fc2", width, m_config.mlpHidden, width, weights.middle));
            weights.layers.push_back(std::move(layer));
        }
        ENGINE_TRY(weights.norm, norm("vision.norm"));
        ENGINE_CHECK(loadProjector(weights));
        const std::int64_t hidden = m_config.projectorOut;
        ENGINE_TRY(weights.newline, activations("image_newline", {hidden}));
        ENGINE_TRY(weights.separator, activations("view_seperator", {hidden})); // spelt so in the files
        return weights;
    }

private:
    Result<VisionWeights::Linear> linear(const std::string &name, std::int64_t out, std::int64_t in)
    {
        VisionWeights::Linear result;
        ENGINE_TRY(result.weight, m_loader.linear(name + ".weight", out, in, WeightLoader::Storage::Careful));
        ENGINE_TRY(result.bias, m_loader.vector(name + ".bias", out));
        return result;
    }
    // A card's products take columns in steps; SigLIP's 4,304 and 588 are none.
    std::int64_t columnsFor(std::int64_t columns) const
    {
        constexpr std::int64_t kStep = 32;
        return m_loader.context().backend->hostMemory() ? columns : (columns + kStep - 1) / kStep * kStep;
    }
    // With zeros behind rows and columns.
    Result<VisionWeights::Linear> padded(const std::string &name, std::int64_t out, std::int64_t in, std::int64_t paddedOut,
        std::int64_t paddedIn)
    {
        if (out == paddedOut && in == paddedIn)
            return linear(name, out, in);
        VisionWeights::Linear result;
        ENGINE_TRY(const std::vector<float> weight, m_loader.values(name + ".weight", {out, in}));
        ENGINE_TRY(std::vector<float> bias, m_loader.values(name + ".bias", {out}));
        bias.resize(static_cast<std::size_t>(paddedOut), 0.0F);
        ENGINE_TRY(result.weight, m_loader.computed(paddedRows(weight, in, paddedOut, paddedIn), {paddedOut, paddedIn}));
        ENGINE_TRY(result.bias, m_loader.computed(bias, {paddedOut}));
        return result;
    }
    static std::vector<float> paddedRows(const std::vector<float> &values, std::int64_t columns, std::int64_t paddedRows,
        std::int64_t paddedColumns)
    {
        std::vector<float> result(static_cast<std::size_t>(paddedRows * paddedColumns), 0.0F);
        for (std::size_t row = 0; row * static_cast<std::size_t>(columns) < values.size(); ++row)
            std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(row) * columns, columns,
                result.begin() + static_cast<std::ptrdiff_t>(row) * paddedColumns);
        return result;
    }
    Result<VisionWeights::Norm> norm(const std::string &name)
    {
        VisionWeights::Norm result;
        ENGINE_TRY(result.weight, m_loader.vector(name + ".weight", m_config.width));
        ENGINE_TRY(result.bias, m_loader.vector(name + ".bias", m_config.width));
        return result;
    }
    // Values that are added or copied, not multiplied: they lie as activations do.
    Result<Buffer> activations(const std::string &name, const Shape &shape)
    {
        Backend &backend = *m_loader.context().backend;
        ENGINE_TRY(const std::vector<float> values, m_loader.values(name, shape));
        ENGINE_TRY(Buffer buffer, backend.allocate(values.size() * sizeof(float)));
        backend.toDevice(buffer.view({1, static_cast<std::int64_t>(values.size())}), values.data(),
            values.size() * sizeof(float));
        ENGINE_CHECK(backend.finishStep());
        return buffer;
    }
    Status loadPatch(VisionWeights &weights)
    {
        const std::int64_t patch = m_config.patch, width = m_config.width;
        ENGINE_TRY(const std::vector<float> kernel,
            m_loader.values("vision.patch_embed.proj.weight", {width, 3, patch, patch}));
        const std::int64_t columns = 3 * patch * patch;
        weights.patchColumns = columnsFor(columns);
        ENGINE_TRY(weights.patch.weight, m_loader.computed(paddedRows(kernel, columns, width, weights.patchColumns),
                                             {width, weights.patchColumns}));
        ENGINE_TRY(weights.patch.bias, m_loader.vector("vision.patch_embed.proj.bias", width));
        return Done{};
    }
    // The files order the first projector layer's inputs by channel, then pixel of the square; whole tokens side
    // by side are cheaper to make, so the columns are reordered once here.
    Status loadProjector(VisionWeights &weights)
    {
        const std::int64_t width = m_config.width, out = m_config.projectorOut;
        const std::int64_t pixels = std::int64_t{m_config.downsample} * m_config.downsample;
        VisionWeights::Linear first;
        ENGINE_TRY(const std::vector<float> byChannel,
            m_loader.values("projector.layers.0.weight", {out, width * pixels}));
        std::vector<float> byPixel(byChannel.size());
        for (std::int64_t row = 0; row < out; ++row)
            for (std::int64_t channel = 0; channel < width; ++channel)
                for (std::int64_t pixel = 0; pixel < pixels; ++pixel)
                    byPixel[static_cast<std::size_t>(row * width * pixels + pixel * width + channel)] =
                        byChannel[static_cast<std::size_t>(row * width * pixels + channel * pixels + pixel)];
        ENGINE_TRY(first.weight, m_loader.computed(byPixel, {out, width * pixels}));
        ENGINE_TRY(first.bias, m_loader.vector("projector.layers.0.bias", out));
        weights.projector.push_back(std::move(first));
        for (int depth = 1; depth < m_config.projectorDepth; ++depth) { // the layers between are activations
            ENGINE_TRY(VisionWeights::Linear next,
                linear("projector.layers." + std::to_string(2 * depth), out, out));
            weights.projector.push_back(std::move(next));
        }
        return Done{};
    }

    WeightLoader &m_loader;
    const VisionConfig &m_config;
};

} // namespace

// DeepSeek-VL2 (arXiv 2412.10302): a SigLIP tower over tiles, a projector and a DeepSeek text model whose tensors
// are called "language....".
Result<ModelBundle> loadDeepSeekVl2(const LoadContext &context)
{
    const ModelConfig &config = context.files->config();
    const std::string file = context.files->path().string();
    if (!config.vision)
        return Error{ErrorCode::BadFile, "The configuration of " + file + " names DeepSeek-VL2 and has no vision part."};
    ENGINE_CHECK(checkVisionConfig(*config.vision, config.text.hidden, file));
    WeightLoader visionLoader(context);
    ENGINE_TRY(VisionWeights vision, VisionLoader(visionLoader).load());
    ENGINE_CHECK(visionLoader.checkPictureSurplus());
    WeightLoader textLoader(context);
    ENGINE_TRY(ModelBundle bundle, loadTextBundle(textLoader, deepSeekParts(config.text)));
    bundle.vision = std::make_unique<Vl2Encoder>(*config.vision, std::move(vision), *context.backend);
    bundle.weightBytes += visionLoader.weightBytes();
    return bundle;
}

} // namespace engine
