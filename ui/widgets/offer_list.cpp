// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "widgets/offer_list.h"

#include "theme/style.h"
#include "widgets/role_label.h"

#include <QGridLayout>
#include <QPushButton>

namespace ui {

OfferList::OfferList(QWidget *parent) : QWidget(parent), m_grid(new QGridLayout(this))
{
    m_grid->setContentsMargins(0, 0, 0, 0);
    m_grid->setHorizontalSpacing(12);
    m_grid->setVerticalSpacing(8);
    m_grid->setColumnStretch(1, 1);
    hide();
}

void OfferList::setOffers(const QVector<Offer> &offers)
{
    if (offers == m_offers)
        return;
    m_offers = offers;
    while (QLayoutItem *item = m_grid->takeAt(0)) {
        item->widget()->hide();
        item->widget()->deleteLater(); // it may be the one that was pressed
        delete item;
    }
    for (int row = 0; row < offers.size(); ++row) {
        const Offer &offer = offers[row];
        auto *button = new QPushButton(offer.action, this);
        button->setAccessibleName(offer.action);
        button->setAccessibleDescription(offer.numbers);
        connect(button, &QPushButton::clicked, this, [this, row] { emit chosen(row); });
        auto *numbers = new RoleLabel(theme::Role::Muted, offer.numbers, this);
        numbers->setPixelSize(theme::kSmallPixels);
        numbers->setWordWrap(true);
        numbers->setBuddy(button);
        m_grid->addWidget(button, row, 0);
        m_grid->addWidget(numbers, row, 1, Qt::AlignVCenter);
    }
    setVisible(!offers.isEmpty());
}

} // namespace ui
