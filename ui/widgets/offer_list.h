// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QString>
#include <QVector>
#include <QWidget>

class QGridLayout;
class QPushButton;

namespace ui {

class RoleLabel;

// Ways out, one under the other: a button that says what it does, beside it what that takes; under it in a narrow place.
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

    void setOffers(const QVector<Offer> &offers);
    [[nodiscard]] bool isEmpty() const { return m_offers.isEmpty(); }

signals:
    void chosen(int index);

protected:
    void resizeEvent(QResizeEvent *event) override;

private:
    struct Row {
        QPushButton *button;
        RoleLabel *numbers;
    };
    void addRow();
    void placeRow(int row);
    void placeRows(); // beside each other or under each other, as the width allows

    QGridLayout *m_grid;
    QVector<Row> m_rows; // hidden but for the first ones
    QVector<Offer> m_offers;
    bool m_isNarrow = false;
};

} // namespace ui
