// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "chat/model_button.h"

#include "services/engine_service.h"
#include "services/model_library.h"
#include "theme/icons.h"
#include "theme/style.h"

#include <QMenu>
#include <QPainter>
#include <QStyleOptionButton>

namespace ui {

ModelButton::ModelButton(EngineService &engine, ModelLibrary &library, QWidget *parent)
    : QPushButton(parent), m_engine(engine), m_library(library)
{
    theme::setKind(this, theme::Kind::Chip);
    connect(this, &QPushButton::clicked, this, &ModelButton::showMenu);
    connect(&engine, &EngineService::loadStateChanged, this, &ModelButton::refresh);
    connect(&library, &ModelLibrary::entriesChanged, this, &ModelButton::refresh);
    refresh();
}

void ModelButton::setKey(const QString &key)
{
    m_key = key;
    refresh();
}

QString ModelButton::precision() const
{
    const ModelEntry *entry = m_library.find(m_key);
    return entry && entry->inspected ? entry->precisionName() : QString();
}

void ModelButton::refresh()
{
    setText(m_library.nameOf(m_key));
    setAccessibleName(tr("Model: %1").arg(text()));
    QString tip = tr("Choose the model that answers");
    if (const ModelEntry *entry = m_library.find(m_key)) {
        switch (m_engine.loadState(m_library.loadOptions(m_key))) {
        case EngineService::LoadState::Loaded:
            tip = tr("Loaded and ready");
            break;
        case EngineService::LoadState::Loading:
            tip = tr("Loading, %1 %").arg(qRound(100 * m_engine.loadShare(m_library.loadOptions(m_key))));
            break;
        case EngineService::LoadState::Failed:
            tip = m_engine.loadError(m_library.loadOptions(m_key));
            break;
        default:
            tip = entry->isUsable() ? tr("Will be loaded with the first question") : entry->problem;
            break;
        }
    } else if (!m_key.isEmpty()) {
        tip = tr("This model is not in the list any more. Choose another one.");
    }
    setToolTip(tip.toHtmlEscaped());
    updateGeometry();
    update();
}

QSize ModelButton::sizeHint() const
{
    const QString more = precision();
    const int width = 14 + 8 + 8 + fontMetrics().horizontalAdvance(text()) +
                      (more.isEmpty() ? 0 : 10 + fontMetrics().horizontalAdvance(more)) + 30;
    return {std::min(width, 320), 30};
}

void ModelButton::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    QStyleOptionButton option;
    initStyleOption(&option);
    style()->drawPrimitive(QStyle::PE_PanelButtonCommand, &option, &painter, this);
    const theme::Tokens &tokens = theme::tokensFor(this);
    QColor dot = tokens[theme::Role::Faint];
    const ModelEntry *entry = m_library.find(m_key);
    if (entry) {
        const auto state = m_engine.loadState(m_library.loadOptions(m_key));
        if (state == EngineService::LoadState::Loaded)
            dot = tokens[theme::Role::Accent];
        else if (state == EngineService::LoadState::Loading)
            dot = tokens[theme::Role::Warning];
        else if (state == EngineService::LoadState::Failed)
            dot = tokens[theme::Role::Error];
    }
    if (!entry || !entry->isUsable())
        dot = tokens[theme::Role::Error];
    theme::drawRounded(&painter, QRectF(14, height() / 2.0 - 4, 8, 8), 4, dot);
    const QString more = precision();
    const int moreWidth = more.isEmpty() ? 0 : fontMetrics().horizontalAdvance(more) + 10;
    int left = 30;
    const int right = width() - 28;
    const QString name = fontMetrics().elidedText(text(), Qt::ElideMiddle, std::max(20, right - left - moreWidth));
    painter.setPen(tokens[theme::Role::Text]);
    painter.drawText(QRect(left, 0, right - left, height()), Qt::AlignVCenter, name);
    left += fontMetrics().horizontalAdvance(name) + 10;
    painter.setPen(tokens[theme::Role::Faint]);
    painter.drawText(QRect(left, 0, std::max(0, right - left), height()), Qt::AlignVCenter, more);
    painter.drawPixmap(QPointF(width() - 26, height() / 2.0 - 7),
        theme::iconPixmap(QStringLiteral("chevron-down"), tokens[theme::Role::Muted], 14, devicePixelRatioF()));
}

void ModelButton::changeEvent(QEvent *event)
{
    QPushButton::changeEvent(event);
    if (event->type() == QEvent::LanguageChange || event->type() == QEvent::FontChange)
        refresh();
}

void ModelButton::showMenu()
{
    QMenu menu(this);
    menu.setToolTipsVisible(true);
    for (const ModelEntry &entry : m_library.entries()) {
        QString label = entry.name;
        label.replace(u'&', QStringLiteral("&&"));
        if (entry.inspected)
            label += u'\t' + entry.precisionName();
        QAction *action = menu.addAction(label);
        action->setCheckable(true);
        action->setChecked(entry.key == m_key);
        action->setEnabled(entry.isUsable());
        action->setToolTip(entry.problem.toHtmlEscaped());
        connect(action, &QAction::triggered, this, [this, key = entry.key] {
            setKey(key);
            emit keyChosen(key);
        });
    }
    menu.addSeparator();
    menu.addAction(theme::icon(QStringLiteral("models")), tr("Manage models…"), this, &ModelButton::manageRequested);
    menu.exec(mapToGlobal(QPoint(0, height() + 4)));
}

} // namespace ui
