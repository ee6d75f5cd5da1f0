// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/records.h"

#include <algorithm>

namespace ui {

QString StoredMessage::text(PartKind kind) const
{
    QString joined;
    for (const StoredPart &part : parts)
        if (part.kind == kind)
            joined += part.text;
    return joined;
}

bool StoredMessage::asksWhere() const
{
    return std::any_of(parts.cbegin(), parts.cend(), [](const StoredPart &part) { return part.kind == PartKind::Text && part.name == kAsksWhere; });
}

const StoredMessage *StoredConversation::message(RowId wanted) const
{
    const auto found = std::find_if(messages.begin(), messages.end(),
        [wanted](const StoredMessage &message) { return message.id == wanted; });
    return found == messages.end() ? nullptr : &*found;
}

QVector<StoredMessage> StoredConversation::path() const
{
    QVector<StoredMessage> way;
    // A parent is always older than its child, so this ends even where the file has been tampered with.
    const StoredMessage *at = message(leaf);
    while (at != nullptr) {
        way.prepend(*at);
        const StoredMessage *parent = message(at->parent);
        at = parent != nullptr && parent->id < at->id ? parent : nullptr;
    }
    return way;
}

} // namespace ui
