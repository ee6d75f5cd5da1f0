// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "chat/growing_text_edit.h"

#include "chat/composer.h"

#include <QAbstractTextDocumentLayout>
#include <QKeyEvent>
#include <QMimeData>
#include <QScrollBar>
#include <QTextBlock>

namespace ui {

namespace {
constexpr int kMostHeight = 190; // eight lines
constexpr qsizetype kMostPasted = 1 << 20;
}

GrowingTextEdit::GrowingTextEdit(QWidget *parent) : QTextEdit(parent)
{
    setAcceptRichText(false);
    setFrameShape(QFrame::NoFrame);
    setAcceptDrops(false); // the page takes what is dropped
    setTabChangesFocus(true);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    viewport()->setAutoFillBackground(false);
    document()->setDocumentMargin(2);
    connect(document()->documentLayout(), &QAbstractTextDocumentLayout::documentSizeChanged, this, [this] { fit(); });
    fit();
}

void GrowingTextEdit::setHintText(const QString &text)
{
    setPlaceholderText(text);
    setAccessibleName(text);
}

void GrowingTextEdit::fit()
{
    const int wanted = static_cast<int>(std::ceil(document()->size().height())) + 4;
    const int height = std::clamp(wanted, fontMetrics().height() + 12, kMostHeight);
    setVerticalScrollBarPolicy(wanted > kMostHeight ? Qt::ScrollBarAsNeeded : Qt::ScrollBarAlwaysOff);
    if (height != minimumHeight())
        setFixedHeight(height);
}

void GrowingTextEdit::resizeEvent(QResizeEvent *event)
{
    QTextEdit::resizeEvent(event);
    fit();
}

void GrowingTextEdit::keyPressEvent(QKeyEvent *event)
{
    const bool enter = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
    if (enter && !(event->modifiers() & (Qt::ShiftModifier | Qt::AltModifier))) {
        emit submitted();
        return;
    }
    QTextEdit::keyPressEvent(event);
}

bool GrowingTextEdit::canInsertFromMimeData(const QMimeData *source) const
{
    return Composer::canTake(source) || QTextEdit::canInsertFromMimeData(source);
}

void GrowingTextEdit::insertFromMimeData(const QMimeData *source)
{
    bool taken = false;
    emit mimeDataPasted(source, &taken);
    if (!taken && source->hasText())
        insertPlainText(source->text().left(kMostPasted));
}

} // namespace ui
