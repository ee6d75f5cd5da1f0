// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/device.h"
#include "engine/model_info.h"

#include <QCoreApplication>
#include <QString>
#include <QVector>

#include <vector>

namespace ui {

class EngineService;
class ModelLibrary;

// Whether the models of a comparison can be in memory together.
struct FitPlan {
    quint64 neededBytes = 0;    // of all different models, loaded ones included
    quint64 availableBytes = 0; // free now, and what the loaded ones of them already hold
    int models = 0;             // different ones
    bool known = false;         // the device said how much it has
    bool fits = true;

    [[nodiscard]] QString sentence() const; // "Both fit: 61 MB of 18 GB"
    [[nodiscard]] QString explanation() const;

    Q_DECLARE_TR_FUNCTIONS(ui::FitPlan)
};

[[nodiscard]] FitPlan planFit(const EngineService &engine, const ModelLibrary &library, const QVector<QString> &keys);

} // namespace ui
