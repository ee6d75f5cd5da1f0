// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "widgets/card.h"

#include "theme/style.h"

#include <QPainter>

namespace ui {

Card::Card(QWidget *parent) : QFrame(parent)
{
    setFrameShape(QFrame::NoFrame);
}

void Card::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    const theme::Tokens &tokens = theme::tokensFor(this);
    theme::drawRounded(&painter, rect(), theme::kRadiusPicture, tokens[theme::Role::Surface], tokens[theme::Role::Border]);
}

} // namespace ui
