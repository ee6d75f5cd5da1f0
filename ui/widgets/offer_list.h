// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QString>
#include <QVector>
#include <QWidget>

class QGridLayout;

namespace ui {

// Ways out, one under the other: a button that says what it does, beside it what that takes.
class OfferList final : public QWidget
{
    Q_OBJECT

public:
    struct Offer {
        QString action;
        QString numbers;
        bool operator==(const Offer &) const = default;
    };
    explicit OfferList(QWidget *parent = nullptr);

    void setOffers(const QVector<Offer> &offers); // the same ones leave the buttons, and the focus, where they are
    [[nodiscard]] bool isEmpty() const { return m_offers.isEmpty(); }

signals:
    void chosen(int index);

private:
    QGridLayout *m_grid;
    QVector<Offer> m_offers;
};

} // namespace ui
