// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "compare/fit_plan.h"

#include "services/engine_service.h"
#include "services/model_library.h"

#include <QLocale>
#include <QSet>

namespace ui {

namespace {

QString bytes(quint64 count)
{
    return QLocale().formattedDataSize(qint64(count), 1, QLocale::DataSizeSIFormat);
}

} // namespace

QString FitPlan::sentence() const
{
    if (!known)
        return {};
    if (!fits)
        return models > 1 ? tr("Will swap: %1 needed, %2 free").arg(bytes(neededBytes), bytes(availableBytes))
                          : tr("May not fit: %1 needed, %2 free").arg(bytes(neededBytes), bytes(availableBytes));
    if (models == 1)
        return tr("Fits: %1 of %2").arg(bytes(neededBytes), bytes(availableBytes));
    return (models == 2 ? tr("Both fit: %1 of %2") : tr("All fit: %1 of %2"))
        .arg(bytes(neededBytes), bytes(availableBytes));
}

QString FitPlan::explanation() const
{
    return fits ? tr("The columns answer at the same time. Figures of models that are not loaded yet are estimates.")
                : tr("The columns answer one after the other: each model is unloaded before the next is loaded. "
                     "Figures of models that are not loaded yet are estimates.");
}

FitPlan planFit(const EngineService &engine, const ModelLibrary &library, const QVector<QString> &keys)
{
    FitPlan plan;
    const std::vector<engine::LoadedModel> loaded = engine.models();
    QSet<QString> seen;
    QString device;
    for (const QString &key : keys) {
        const ModelEntry *entry = library.find(key);
        const engine::LoadOptions options = library.loadOptions(key);
        const QString loadKey = EngineService::loadKey(options);
        if (entry == nullptr || seen.contains(loadKey))
            continue;
        seen.insert(loadKey);
        device = QString::fromStdString(options.device);
        quint64 needed = entry->memoryBytes(0);
        for (const engine::LoadedModel &model : loaded) {
            if (EngineService::loadKey(model.options) != loadKey)
                continue;
            needed = model.memory.weightBytes + model.memory.kvBytes;
            plan.availableBytes += needed;
        }
        plan.neededBytes += needed;
        ++plan.models;
    }
    for (const engine::DeviceInfo &info : engine.devices()) {
        const QString id = QString::fromStdString(info.id);
        if (id != device && !id.startsWith(device + u':'))
            continue;
        plan.availableBytes += info.freeBytes;
        plan.known = info.totalBytes > 0 && plan.models > 0;
        break;
    }
    plan.fits = !plan.known || plan.neededBytes <= plan.availableBytes;
    return plan;
}

} // namespace ui
