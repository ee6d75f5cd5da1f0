// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "transcript/transcript_accessible.h"

#include "transcript/transcript_view.h"

#include <QAccessibleWidget>
#include <QScrollBar>

namespace ui {

namespace {

// The whole chat as one text: questions and answers in order, each after its author's name.
class TranscriptAccessible final : public QAccessibleWidget, public QAccessibleTextInterface {
public:
    explicit TranscriptAccessible(TranscriptView *view) : QAccessibleWidget(view, QAccessible::Document) {}

    void *interface_cast(QAccessible::InterfaceType type) override
    {
        if (type == QAccessible::TextInterface)
            return static_cast<QAccessibleTextInterface *>(this);
        return QAccessibleWidget::interface_cast(type);
    }

    void selection(int, int *startOffset, int *endOffset) const override { *startOffset = *endOffset = 0; }
    int selectionCount() const override { return 0; }
    void addSelection(int, int) override {}
    void removeSelection(int) override {}
    void setSelection(int, int, int) override {}
    int cursorPosition() const override { return 0; }
    void setCursorPosition(int) override {}
    QString text(int startOffset, int endOffset) const override
    {
        return content().mid(startOffset, endOffset - startOffset);
    }
    QString text(QAccessible::Text kind) const override
    {
        return kind == QAccessible::Value ? content() : QAccessibleWidget::text(kind);
    }
    int characterCount() const override { return static_cast<int>(content().size()); }
    QRect characterRect(int) const override { return rect(); }
    int offsetAtPoint(const QPoint &) const override { return 0; }
    void scrollToSubstring(int, int) override {}
    QString attributes(int offset, int *startOffset, int *endOffset) const override
    {
        *startOffset = offset;
        *endOffset = characterCount();
        return {};
    }

private:
    const QString &content() const
    {
        const MessageModel *model = static_cast<TranscriptView *>(widget())->model();
        if (!model) {
            m_text.clear();
            return m_text;
        }
        // Built again only when something was added.
        qsizetype size = 0;
        for (int message = 0; message < model->count(); ++message)
            size += model->source(message, PartId::Answer).size() + model->source(message, PartId::Thinking).size() + 1;
        if (size == m_sourceSize)
            return m_text;
        m_sourceSize = size;
        m_text.clear();
        for (int message = 0; message < model->count(); ++message) {
            const Message &data = model->at(message);
            m_text += data.author == Author::User ? TranscriptView::tr("You") : data.modelName;
            m_text += QStringLiteral(": ");
            for (const TranscriptPicture &picture : data.pictures)
                m_text += TranscriptView::tr("[picture %1] ").arg(picture.name);
            m_text += model->plainText(message);
            if (!data.error.isEmpty())
                m_text += u'\n' + data.error;
            m_text += u'\n';
        }
        return m_text;
    }

    mutable QString m_text;
    mutable qsizetype m_sourceSize = -1;
};

QAccessibleInterface *makeInterface(const QString &, QObject *object)
{
    auto *view = qobject_cast<TranscriptView *>(object);
    return view ? new TranscriptAccessible(view) : nullptr;
}

} // namespace

void installTranscriptAccessibility()
{
    QAccessible::installFactory(makeInterface); // a factory is kept once
}

} // namespace ui
