// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "chat/offer_bar.h"

#include "chat/running_answer.h"
#include "services/engine_service.h"
#include "services/load_offer_text.h"
#include "services/local_sentence.h"
#include "services/model_library.h"
#include "widgets/offer_list.h"
#include "widgets/role_label.h"

#include <QEvent>
#include <QVBoxLayout>

namespace ui {

OfferBar::OfferBar(EngineService &engine, ModelLibrary &library, QWidget *parent)
    : Card(parent), m_engine(engine), m_library(library), m_label(new RoleLabel(theme::Role::Text)), m_offers(new OfferList)
{
    auto *column = new QVBoxLayout(this);
    column->setContentsMargins(16, 12, 16, 12);
    column->setSpacing(10);
    m_label->setWordWrap(true);
    column->addWidget(m_label);
    column->addWidget(m_offers);
    hide();
    connect(m_offers, &OfferList::chosen, this, &OfferBar::take);
    connect(&engine, &EngineService::loadStateChanged, this, &OfferBar::refresh);
    connect(&library, &ModelLibrary::choiceChanged, this, &OfferBar::refresh);
}

void OfferBar::setModel(const QString &key, const QString &shownName)
{
    m_key = key;
    m_shownName = shownName;
    refresh();
}

void OfferBar::refresh()
{
    const engine::LoadOptions options = m_library.loadOptions(m_key);
    const bool hasFailed = !m_key.isEmpty() && m_engine.loadState(options) == EngineService::LoadState::Failed;
    const std::vector<engine::LoadOffer> offers = hasFailed ? m_engine.offers(options) : std::vector<engine::LoadOffer>();
    QVector<OfferList::Offer> list;
    for (const engine::LoadOffer &offer : offers) {
        const LoadOfferText text = textOf(offer);
        list += {text.action, text.numbers};
    }
    m_label->setText(offers.empty() ? QString()
                                    : tr("%1 cannot be used as Settings say: %2 What would work:")
                                          .arg(m_shownName.isEmpty() ? m_library.nameOf(m_key) : m_shownName,
                                              wholeSentence(localSentence(m_engine.loadError(options).toStdString()))));
    m_offers->setAccessibleName(tr("Ways to load the model that work"));
    m_offers->setOffers(list);
    setVisible(!offers.empty());
}

void OfferBar::take(int index)
{
    const std::vector<engine::LoadOffer> offers = m_engine.offers(m_library.loadOptions(m_key));
    if (index < 0 || index >= int(offers.size()))
        return;
    m_library.setChoice(m_key, offers[std::size_t(index)].options);
    emit taken();
}

void OfferBar::changeEvent(QEvent *event)
{
    Card::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        refresh();
}

} // namespace ui
