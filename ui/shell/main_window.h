// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "shell/sidebar.h"

#include <QHash>
#include <QMainWindow>

#include <functional>

class QLabel;
class QStackedWidget;

namespace ui {

class ChatPage;
class ConversationStore;
class EngineService;
class ImageLoader;
class ModelLibrary;
class Settings;
class StatusLine;

// What every page works with; owned by the application, outlives the window.
struct WindowServices {
    EngineService &engine;
    ModelLibrary &library;
    ConversationStore &store;
    ImageLoader &loader;
    Settings &settings;
};

// The window: sidebar, pages, status line. Pages are made when they are first shown.
class MainWindow final : public QMainWindow
{
    Q_OBJECT

public:
    explicit MainWindow(const WindowServices &services);
    ~MainWindow() override;

    void openPicture(const QString &path);
    void ask(const QString &question);
    void showPage(PageId page);
    [[nodiscard]] ChatPage *chatPage() { return m_chat; }
    [[nodiscard]] Sidebar *sidebar() { return m_sidebar; }
    [[nodiscard]] QWidget *page(PageId page); // made when needed

protected:
    void showEvent(QShowEvent *event) override;
    void closeEvent(QCloseEvent *event) override;
    void changeEvent(QEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;

private:
    void makeActions();
    QAction *addAction(const QString &id, const QKeySequence &keys, std::function<void()> what);
    void retranslate();
    void notice(const QString &sentence);
    void openSession(ConversationKind kind, qint64 id, qint64 message);
    void afterFirstPaint();

    WindowServices m_services;
    Sidebar *m_sidebar;
    QStackedWidget *m_stack;
    ChatPage *m_chat;
    StatusLine *m_status;
    QWidget *m_noticeBar;
    QLabel *m_noticeText;
    QHash<PageId, QWidget *> m_pages;
    QHash<QString, QAction *> m_actions;
    QList<QAction *> m_actionOrder;
    qint64 m_comparison = 0; // the one the Compare page shows
    bool m_shown = false;
};

} // namespace ui
