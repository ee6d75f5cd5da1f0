// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "widgets/page_header.h"

#include "theme/style.h"
#include "theme/tokens.h"
#include "widgets/elided_label.h"

#include <QHBoxLayout>
#include <QPainter>

namespace ui {

PageHeader::PageHeader(const QString &title, QWidget *parent) : QWidget(parent), m_title(new ElidedLabel(title, this))
{
    setFixedHeight(theme::kHeaderHeight);
    QFont font = m_title->font();
    font.setPixelSize(theme::kTitlePixels);
    font.setWeight(QFont::DemiBold);
    m_title->setFont(font);
    auto *row = new QHBoxLayout(this);
    row->setContentsMargins(20, 0, 20, 1);
    row->setSpacing(12);
    row->addWidget(m_title, 0);
    m_left = new QHBoxLayout;
    m_left->setSpacing(8);
    row->addLayout(m_left);
    row->addStretch(1);
    m_right = new QHBoxLayout;
    m_right->setSpacing(8);
    row->addLayout(m_right);
}

void PageHeader::setTitle(const QString &title)
{
    m_title->setText(title);
}

void PageHeader::addLeft(QWidget *widget)
{
    m_left->addWidget(widget);
}

void PageHeader::addRight(QWidget *widget)
{
    m_right->addWidget(widget);
}

void PageHeader::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    const theme::Tokens &tokens = theme::tokensFor(this);
    painter.fillRect(rect(), tokens[theme::Role::Surface]);
    theme::drawHairline(&painter, QPointF(0, height() - 1), QPointF(width(), height() - 1), tokens[theme::Role::Border]);
}

} // namespace ui
