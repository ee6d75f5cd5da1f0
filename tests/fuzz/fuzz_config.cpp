// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/hf_config.h"
#include "files/printable.h"
#include "models/model.h"

#include <array>
#include <cstdlib>
#include <string_view>

// config.json, processor_config.json, generation_config.json, quantize_config.json and quant_config.json, parted by the
// byte 0x1E (record separator).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    std::string_view rest(reinterpret_cast<const char *>(data), size);
    const auto next = [&rest] {
        const std::size_t end = rest.find('\x1E');
        const std::string_view part = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        return part;
    };
    const std::string_view config = next();
    const std::string_view processor = next();
    const std::string_view generation = next();
    const std::string_view gptq = next();
    const std::array quantisations{engine::QuantisationFile{"quantize_config.json", gptq}, engine::QuantisationFile{"quant_config.json", next(), true}};
    const auto read = engine::readHfConfig(config, processor, generation, quantisations);
    if (!read.ok()) {
        if (read.error().message.empty() || !engine::isUtf8(read.error().message))
            std::abort();
        return 0;
    }
    const engine::ParameterCount count = engine::countParameters(read->config);
    if (count.total == 0 || count.active > count.total || count.total > (std::uint64_t{1} << 62))
        std::abort();
    return 0;
}
