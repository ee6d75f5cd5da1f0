// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "chat/drop_overlay.h"

#include "chat/composer.h"
#include "theme/icons.h"
#include "theme/style.h"

#include <QDragEnterEvent>
#include <QMimeData>
#include <QPainter>

namespace ui {

DropOverlay::DropOverlay(QWidget *page, Composer *composer) : QWidget(page), m_composer(composer)
{
    setAttribute(Qt::WA_TransparentForMouseEvents);
    hide();
    page->setAcceptDrops(true);
    page->installEventFilter(this);
}

void DropOverlay::setLabel(const QString &label)
{
    m_label = label;
    update();
}

bool DropOverlay::eventFilter(QObject *watched, QEvent *event)
{
    switch (event->type()) {
    case QEvent::DragEnter: {
        auto *drag = static_cast<QDragEnterEvent *>(event);
        if (!Composer::canTake(drag->mimeData()))
            break;
        drag->setDropAction(Qt::CopyAction);
        drag->accept();
        setGeometry(parentWidget()->rect());
        raise();
        show();
        return true;
    }
    case QEvent::DragLeave:
        hide();
        return true;
    case QEvent::Drop: {
        auto *drop = static_cast<QDropEvent *>(event);
        hide();
        m_composer->takeMimeData(drop->mimeData());
        drop->setDropAction(Qt::CopyAction);
        drop->accept();
        m_composer->window()->activateWindow();
        m_composer->takeFocus();
        return true;
    }
    default:
        break;
    }
    return QWidget::eventFilter(watched, event);
}

void DropOverlay::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    const theme::Tokens &tokens = theme::tokensFor(this);
    QColor veil = tokens[theme::Role::Window];
    veil.setAlphaF(0.9F);
    painter.fillRect(rect(), veil);
    const QRectF zone = QRectF(rect()).adjusted(20, 20, -20, -20);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(tokens[theme::Role::Accent], 2, Qt::DashLine));
    painter.setBrush(tokens[theme::Role::AccentSoft]);
    painter.drawRoundedRect(zone, theme::kRadiusBubble, theme::kRadiusBubble);
    painter.drawPixmap(zone.center() - QPointF(14, 40),
        theme::iconPixmap(QStringLiteral("picture"), tokens[theme::Role::Accent], 28, devicePixelRatioF()));
    QFont font = this->font();
    font.setPixelSize(theme::kTitlePixels);
    font.setWeight(QFont::DemiBold);
    painter.setFont(font);
    painter.setPen(tokens[theme::Role::Text]);
    painter.drawText(zone.adjusted(0, 24, 0, 24), Qt::AlignCenter, m_label);
}

} // namespace ui
