// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "widgets/offer_list.h"

#include "theme/style.h"
#include "widgets/role_label.h"

#include <QGridLayout>
#include <QPushButton>

#include <algorithm>

namespace ui {

OfferList::OfferList(QWidget *parent) : QWidget(parent), m_grid(new QGridLayout(this))
{
    constexpr int kUsual = 6; // made here, so that Tab reaches them where the list stands
    m_grid->setContentsMargins(0, 0, 0, 0);
    m_grid->setHorizontalSpacing(12);
    m_grid->setVerticalSpacing(8);
    m_grid->setColumnStretch(1, 1);
    for (int row = 0; row < kUsual; ++row)
        addRow();
    hide();
}

void OfferList::addRow()
{
    const int row = int(m_rows.size());
    auto *button = new QPushButton(this);
    auto *numbers = new RoleLabel(theme::Role::Muted, {}, this);
    numbers->setPixelSize(theme::kSmallPixels);
    numbers->setWordWrap(true);
    numbers->setBuddy(button);
    button->hide();
    numbers->hide();
    connect(button, &QPushButton::clicked, this, [this, row] { emit chosen(row); });
    m_rows += {button, numbers};
    placeRow(row);
}

void OfferList::placeRow(int row)
{
    const auto &[button, numbers] = m_rows[row];
    m_grid->removeWidget(button);
    m_grid->removeWidget(numbers);
    m_grid->addWidget(button, 2 * row, 0, 1, m_isNarrow ? 2 : 1, m_isNarrow ? Qt::AlignLeft : Qt::Alignment());
    m_grid->addWidget(numbers, 2 * row + (m_isNarrow ? 1 : 0), m_isNarrow ? 0 : 1, 1, m_isNarrow ? 2 : 1, Qt::AlignVCenter);
}

void OfferList::placeRows()
{
    constexpr int kNumbersWidth = 220; // two lines of them, not four
    int widest = 0;
    for (int row = 0; row < m_rows.size() && row < m_offers.size(); ++row)
        widest = std::max(widest, m_rows[row].button->sizeHint().width());
    const bool isNarrow = width() < widest + m_grid->horizontalSpacing() + kNumbersWidth;
    if (m_isNarrow == isNarrow)
        return;
    m_isNarrow = isNarrow;
    for (int row = 0; row < m_rows.size(); ++row)
        placeRow(row);
}

void OfferList::resizeEvent(QResizeEvent *event)
{
    QWidget::resizeEvent(event);
    placeRows();
}

void OfferList::setOffers(const QVector<Offer> &offers)
{
    if (offers == m_offers)
        return;
    m_offers = offers;
    while (m_rows.size() < offers.size())
        addRow();
    for (int row = 0; row < m_rows.size(); ++row) {
        const auto &[button, numbers] = m_rows[row];
        const bool isUsed = row < offers.size();
        if (isUsed) {
            button->setText(offers[row].action);
            button->setAccessibleName(offers[row].action);
            button->setAccessibleDescription(offers[row].numbers);
            numbers->setText(offers[row].numbers);
        }
        button->setVisible(isUsed);
        numbers->setVisible(isUsed);
    }
    placeRows();
    setVisible(!offers.isEmpty());
}

} // namespace ui
