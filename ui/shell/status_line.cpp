// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "shell/status_line.h"

#include "services/engine_service.h"
#include "services/settings.h"
#include "theme/style.h"
#include "theme/tokens.h"

#include <QAccessible>
#include <QLocale>
#include <QPainter>

namespace ui {

using theme::Role;

StatusLine::StatusLine(EngineService &engine, Settings &settings, QWidget *parent)
    : QWidget(parent), m_engine(engine), m_settings(settings)
{
    setFixedHeight(theme::kStatusHeight);
    QFont small = font();
    small.setPixelSize(theme::kSmallPixels);
    setFont(small);
    m_messageEnd.setSingleShot(true);
    m_messageEnd.setInterval(6000);
    connect(&m_messageEnd, &QTimer::timeout, this, [this] {
        m_message.clear();
        update();
    });
    m_tick.setInterval(1000);
    connect(&m_tick, &QTimer::timeout, this, &StatusLine::refresh);
    connect(&engine, &EngineService::modelsChanged, this, &StatusLine::refresh);
    connect(&settings, &Settings::engineChanged, this, [this] {
        m_device.clear();
        refresh();
    });
}

void StatusLine::begin()
{
    m_tick.start();
    refresh();
}

void StatusLine::say(const QString &message)
{
    m_message = message;
    m_messageEnd.start();
    setAccessibleName(message);
    QAccessibleEvent event(this, QAccessible::NameChanged);
    QAccessible::updateAccessibility(&event);
    update();
}

void StatusLine::refresh()
{
    if (!m_tick.isActive())
        return;
    const QLocale locale;
    if (m_device.isEmpty()) {
        for (const engine::DeviceInfo &device : m_engine.devices()) {
            if (QString::fromStdString(device.id) == m_settings.device())
                m_device = QString::fromStdString(device.name.empty() ? device.id : device.name).simplified();
        }
    }
    QStringList parts;
    if (!m_device.isEmpty())
        parts << m_device;
    const std::vector<engine::LoadedModel> models = m_engine.models();
    if (models.empty()) {
        parts << tr("No model loaded");
    } else {
        const engine::MemoryUse memory = m_engine.memoryInUse();
        parts << tr("Weights %1").arg(locale.formattedDataSize(static_cast<qint64>(memory.weightBytes), 1, QLocale::DataSizeTraditionalFormat));
        if (memory.kvBytes > 0)
            parts << tr("Context %1 of %2").arg(
                locale.formattedDataSize(static_cast<qint64>(memory.kvUsedBytes), 1, QLocale::DataSizeTraditionalFormat),
                locale.formattedDataSize(static_cast<qint64>(memory.kvBytes), 1, QLocale::DataSizeTraditionalFormat));
        if (memory.deviceTotalBytes > 0)
            parts << tr("Card %1 free of %2").arg(
                locale.formattedDataSize(static_cast<qint64>(memory.deviceFreeBytes), 1, QLocale::DataSizeTraditionalFormat),
                locale.formattedDataSize(static_cast<qint64>(memory.deviceTotalBytes), 1, QLocale::DataSizeTraditionalFormat));
        QStringList doing;
        for (const engine::LoadedModel &model : models) {
            const QString name = QString::fromStdString(model.options.name.empty() ? model.info.name : model.options.name);
            doing << (model.running > 0 ? tr("%1 answering").arg(name) : tr("%1 ready").arg(name));
        }
        parts << doing.join(QStringLiteral(", "));
    }
    if (parts != m_parts) {
        m_parts = parts;
        setToolTip(parts.join(u'\n').toHtmlEscaped().replace(u'\n', QStringLiteral("<br>")));
        update();
    }
}

void StatusLine::changeEvent(QEvent *event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        refresh();
}

void StatusLine::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    const theme::Tokens &tokens = theme::tokensFor(this);
    painter.fillRect(rect(), tokens[Role::Surface]);
    theme::drawHairline(&painter, QPointF(0, 0), QPointF(width(), 0), tokens[Role::Border]);
    const QFontMetrics metrics = fontMetrics();
    const QString offline = tr("Offline");
    int right = width() - 14 - metrics.horizontalAdvance(offline);
    painter.setPen(tokens[Role::Muted]);
    painter.drawText(QRect(right, 1, width() - right, height() - 1), Qt::AlignVCenter, offline);
    right -= 20;
    if (!m_message.isEmpty()) {
        const QString shown = metrics.elidedText(m_message, Qt::ElideRight, width() / 2);
        right -= metrics.horizontalAdvance(shown);
        painter.setPen(tokens[Role::Text]);
        painter.drawText(QRect(right, 1, width(), height() - 1), Qt::AlignVCenter, shown);
        right -= 20;
    }
    int x = 14;
    painter.setPen(tokens[Role::Muted]);
    for (const QString &part : m_parts) {
        if (x >= right - 20)
            break;
        const QString shown = metrics.elidedText(part, Qt::ElideRight, right - x);
        painter.drawText(QRect(x, 1, right - x, height() - 1), Qt::AlignVCenter, shown);
        x += metrics.horizontalAdvance(shown) + 22;
    }
}

} // namespace ui
