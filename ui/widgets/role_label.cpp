// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "widgets/role_label.h"

#include <QEvent>

namespace ui {

RoleLabel::RoleLabel(theme::Role role, const QString &text, QWidget *parent) : QLabel(text, parent), m_role(role)
{
    setTextFormat(Qt::PlainText);
    applyColor();
}

void RoleLabel::setRole(theme::Role role)
{
    m_role = role;
    applyColor();
}

void RoleLabel::setPixelSize(int pixels, bool semibold)
{
    QFont changed = font();
    changed.setPixelSize(pixels);
    changed.setWeight(semibold ? QFont::DemiBold : QFont::Normal);
    setFont(changed);
}

void RoleLabel::changeEvent(QEvent *event)
{
    QLabel::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        applyColor();
}

void RoleLabel::applyColor()
{
    const QColor &color = theme::tokensFor(this)[m_role];
    if (palette().color(QPalette::WindowText) == color)
        return;
    QPalette changed = palette();
    changed.setColor(QPalette::WindowText, color);
    setPalette(changed);
}

} // namespace ui
