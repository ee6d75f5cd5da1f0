// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "transcript/message_model.h"

namespace ui {

MessageModel::MessageModel(QObject *parent) : QObject(parent) {}

MessageModel::~MessageModel() = default;

void MessageModel::clear()
{
    m_entries.clear();
    emit reset();
}

void MessageModel::append(const Message &message, const QString &text, const QString &thinking)
{
    auto entry = std::make_unique<Entry>();
    entry->message = message;
    entry->answer = BlockSplitter(message.author == Author::User);
    if (!text.isEmpty())
        entry->answer.setWhole(text.toUtf8());
    if (!thinking.isEmpty())
        entry->thinking.setWhole(thinking.toUtf8());
    m_entries.push_back(std::move(entry));
    emit appended(count() - 1);
}

void MessageModel::truncate(int newCount)
{
    if (newCount < 0 || newCount >= count())
        return;
    m_entries.resize(static_cast<std::size_t>(newCount));
    emit truncated(newCount);
}

void MessageModel::appendText(qint64 id, const QString &text, bool thinking)
{
    const int index = indexOf(id);
    if (index < 0 || text.isEmpty())
        return;
    const PartId part = thinking ? PartId::Thinking : PartId::Answer;
    const int changed = splitter(index, part).append(text.toUtf8());
    emit textChanged(index, part, changed);
}

void MessageModel::finishText(qint64 id)
{
    const int index = indexOf(id);
    if (index < 0)
        return;
    for (const PartId part : {PartId::Thinking, PartId::Answer}) {
        const int changed = splitter(index, part).finish();
        emit textChanged(index, part, changed);
    }
}

int MessageModel::indexOf(qint64 id) const
{
    for (int index = count() - 1; index >= 0; --index) { // streaming answers stand at the end
        if (at(index).id == id)
            return index;
    }
    return -1;
}

BlockSplitter &MessageModel::splitter(int index, PartId part) const
{
    Entry &entry = *m_entries[static_cast<std::size_t>(index)];
    return part == PartId::Thinking ? entry.thinking : entry.answer;
}

const QByteArray &MessageModel::source(int index, PartId part) const
{
    return splitter(index, part).source();
}

const std::vector<Block> &MessageModel::blocks(int index, PartId part) const
{
    return splitter(index, part).blocks();
}

QString MessageModel::plainText(int index, PartId part) const
{
    QString text;
    for (const Block &block : blocks(index, part)) {
        if (!text.isEmpty())
            text += u'\n';
        text += block.text;
    }
    return text;
}

} // namespace ui
