// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/records.h"

#include <QAbstractListModel>
#include <QStyledItemDelegate>

namespace ui {

// Sessions by day, newest first, with a heading before each group; or the hits of a search.
class SessionListModel final : public QAbstractListModel
{
    Q_OBJECT

public:
    enum Role { IdRole = Qt::UserRole + 1, KindRole, HeadingRole, BadgeRole, SnippetRole, MessageRole };

    explicit SessionListModel(QObject *parent = nullptr);

    void setSessions(const QVector<SessionRow> &rows);
    void setHits(const QVector<SearchHit> &hits); // replaces the sessions until setSessions
    [[nodiscard]] QModelIndex indexOf(ConversationKind kind, RowId id) const;

    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role) const override;
    [[nodiscard]] Qt::ItemFlags flags(const QModelIndex &index) const override;

private:
    struct Row {
        bool heading = false;
        QString text;
        QString snippet;
        QString badge;
        RowId id = 0;
        RowId message = 0;
        ConversationKind kind = ConversationKind::Chat;
    };
    QVector<Row> m_rows;
};

class SessionDelegate final : public QStyledItemDelegate
{
    Q_OBJECT

public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const override;
    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const override;
};

} // namespace ui
