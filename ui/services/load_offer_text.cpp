// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "services/load_offer_text.h"

#include <QCoreApplication>
#include <QLocale>
#include <QStringList>

namespace ui {

namespace {

struct Offers {
    Q_DECLARE_TR_FUNCTIONS(LoadOffers)
};

QString bytes(std::uint64_t count)
{
    return QLocale().formattedDataSize(qint64(count), 1, QLocale::DataSizeSIFormat);
}

QString number(int value)
{
    return QLocale().toString(value);
}

QString bitsOf(const engine::LoadOptions &options)
{
    return number(options.requantize == "q4_0" ? 4 : 8);
}

bool isOnCard(const engine::LoadOptions &options)
{
    return options.device.starts_with("cuda");
}

} // namespace

LoadOfferText textOf(const engine::LoadOffer &offer)
{
    const engine::MemoryPlan &plan = offer.plan;
    const engine::LoadOptions &options = offer.options;
    const QString taken = isOnCard(options) ? Offers::tr("%1 of %2 free on the card").arg(bytes(plan.totalBytes()), bytes(plan.freeBytes))
                                            : Offers::tr("%1 of %2 free memory").arg(bytes(plan.totalBytes()), bytes(plan.freeBytes));
    const QString context = Offers::tr("context of %1 tokens").arg(number(plan.contextTokens));
    const QString separator = Offers::tr("; ", "between parts of a line");
    LoadOfferText text;
    switch (offer.kind) {
    case engine::LoadOffer::Kind::SmallerContext:
        text.action = Offers::tr("Use a shorter context");
        text.numbers = QStringList{context, taken}.join(separator);
        break;
    case engine::LoadOffer::Kind::Requantised:
        text.action = Offers::tr("Pack the weights to %1 bits").arg(bitsOf(options));
        text.numbers = QStringList{taken, context, Offers::tr("answers may differ a little")}.join(separator);
        break;
    case engine::LoadOffer::Kind::Split:
        text.action = Offers::tr("Put %1 of %2 layers on the card").arg(number(plan.cardLayers), number(offer.layers));
        text.numbers = QStringList{taken, Offers::tr("the others in %1 of %2 free memory").arg(bytes(plan.hostBytes()), bytes(plan.hostFreeBytes)),
            context, Offers::tr("slower")}.join(separator);
        break;
    case engine::LoadOffer::Kind::Processor:
        text.action = options.requantize.empty() ? Offers::tr("Use the processor")
                                                 : Offers::tr("Use the processor, weights packed to %1 bits").arg(bitsOf(options));
        text.numbers = QStringList{taken, context}.join(separator);
        break;
    }
    return text;
}

QString textOf(const engine::LoadOptions &options, int layers)
{
    QStringList parts;
    if (options.cardLayers > 0)
        parts += Offers::tr("%1 of %2 layers on the card").arg(number(options.cardLayers), number(layers));
    else
        parts += isOnCard(options) ? Offers::tr("on the card") : Offers::tr("on the processor");
    if (!options.requantize.empty())
        parts += Offers::tr("weights packed to %1 bits").arg(bitsOf(options));
    if (options.contextTokens > 0)
        parts += Offers::tr("context of %1 tokens").arg(number(options.contextTokens));
    return parts.join(Offers::tr(", ", "between parts of a list"));
}

} // namespace ui
