// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/records.h"

#include <QTimer>
#include <QWidget>

class QLineEdit;
class QListView;
class QPushButton;

namespace ui {

class ConversationStore;
class SessionListModel;

enum class PageId { Chat = 1, Compare, Models, Settings };

// Left of the window: search, pages, sessions.
class Sidebar final : public QWidget
{
    Q_OBJECT

public:
    explicit Sidebar(ConversationStore &store, QWidget *parent = nullptr);

    void setCurrentPage(PageId page);
    void setCurrentSession(ConversationKind kind, RowId id); // 0: none
    void focusSearch();
    [[nodiscard]] QLineEdit *searchField() { return m_search; }
    [[nodiscard]] QListView *list() { return m_list; }
    void deleteCurrent();
    void renameCurrent();

signals:
    void pageRequested(ui::PageId page);
    void newChatRequested();
    void sessionRequested(ui::ConversationKind kind, qint64 id, qint64 message);
    void sessionRenamed(ui::ConversationKind kind, qint64 id, const QString &title);
    void sessionRemoved(ui::ConversationKind kind, qint64 id);

protected:
    void paintEvent(QPaintEvent *event) override;
    void changeEvent(QEvent *event) override;
    bool eventFilter(QObject *watched, QEvent *event) override;

private:
    void reload();
    void search();
    void showMenu(const QPoint &point);
    void rename(const QModelIndex &index);
    void remove(const QModelIndex &index);
    void activate(const QModelIndex &index);
    void activateFirst(bool open);
    void retranslate();
    void mark();

    ConversationStore &m_store;
    SessionListModel *m_model;
    QPushButton *m_newChat;
    QLineEdit *m_search;
    QVector<QPushButton *> m_pages; // by PageId - 1
    QListView *m_list;
    QTimer m_searchDelay;
    ConversationKind m_kind = ConversationKind::Chat;
    RowId m_current = 0;
    int m_generation = 0; // answers of older searches are not shown
};

} // namespace ui
