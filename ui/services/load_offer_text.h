// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/runtime.h"

#include <QString>

namespace ui {

// A way to load a model that fits, for a button and the line beside it, in the language of the window.
struct LoadOfferText {
    QString action;  // "Put 13 of 27 layers on the card"
    QString numbers; // "5.2 GB of 6.0 GB on the card, 4.1 GB of 30 GB of memory; context of 4,096 tokens"
};
[[nodiscard]] LoadOfferText textOf(const engine::LoadOffer &offer);

// What of a load is another than the settings say: "13 of 27 layers on the card, context of 4,096 tokens".
[[nodiscard]] QString textOf(const engine::LoadOptions &options, int layers);

} // namespace ui
