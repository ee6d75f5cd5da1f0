// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "files/inspect.h"
#include "files/model_files.h"
#include "files/printable.h"
#include "files/tensor_recipe.h"
#include "text/choose_chat_format.h"
#include "text/tokenizer.h"

#include <cstdlib>
#include <string>

// What a model that came from any bytes at all must keep to: names in order, weights that can be made or say why not,
// a tokenizer that stays inside its vocabulary, a prompt in its own format.
inline void checkOpenedModel(const engine::Result<std::shared_ptr<const engine::ModelFiles>> &opened)
{
    const auto checkError = [](const engine::Error &error) {
        if (error.message.empty() || !engine::isUtf8(error.message))
            std::abort();
    };
    if (!opened.ok())
        return checkError(opened.error());
    const engine::ModelFiles &files = **opened;
    const engine::FileTensor *last = nullptr;
    for (const engine::FileTensor &tensor : files.tensors()) {
        if (last != nullptr && !(last->name < tensor.name))
            std::abort();
        last = &tensor;
        if (files.find(tensor.name) != &tensor)
            std::abort();
        if (!tensor.recipe || tensor.shape.elements() > 1 << 16)
            continue;
        const auto made = tensor.recipe->make(false);
        if (!made.ok())
            checkError(made.error());
        else if (made->dtype != tensor.dtype || made->bytes.empty() != (tensor.shape.elements() == 0))
            std::abort();
    }
    if (engine::describeModel(files, true).tensors.size() != files.tensors().size())
        std::abort();
    const auto tokenizer = files.loadTokenizer();
    if (!tokenizer.ok())
        return checkError(tokenizer.error());
    const auto ids = (*tokenizer)->encodeWithSpecials("aab <s> 12\xE4\xBD");
    for (const std::int32_t id : ids)
        if (id < 0 || id >= (*tokenizer)->size())
            std::abort();
    if (!engine::isUtf8((*tokenizer)->decode(ids, true)))
        std::abort();
    const engine::ChosenChatFormat chosen = engine::chooseChatFormat(files, **tokenizer);
    const std::vector<engine::Turn> turns{{.role = engine::Role::User, .text = "ab", .thinking = {}, .images = {}}};
    const auto prompt = chosen.format->encode({.turns = turns}, **tokenizer, [](int) { return 0; });
    if (!prompt.ok())
        checkError(prompt.error());
}
