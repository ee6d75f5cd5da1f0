// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "chat/chat_session.h"

#include <QWidget>

class QLabel;
class QPushButton;
class QStackedWidget;

namespace ui {

class Composer;
class DropOverlay;
class EmptyChat;
class ModelButton;
class OfferBar;
class PageHeader;
class ParametersPopover;
class Settings;
class TranscriptView;

// The Chat page: one conversation at a time, those whose answer still runs go on unseen.
class ChatPage final : public QWidget
{
    Q_OBJECT

public:
    ChatPage(EngineService &engine, ModelLibrary &library, ConversationStore &store, ImageLoader &loader, Settings &settings,
        QWidget *parent = nullptr);
    ~ChatPage() override;

    [[nodiscard]] qint64 currentConversation() const;
    [[nodiscard]] Composer *composer() { return m_composer; }
    [[nodiscard]] TranscriptView *transcript() { return m_view; }
    [[nodiscard]] ChatSession *session() { return m_session; }

public slots:
    void newChat();
    void openConversation(qint64 id, qint64 message = 0); // and shows that message
    void forget(qint64 id);                               // it was deleted
    void setTitleOf(qint64 id, const QString &title);     // it was renamed
    void openPicture(const QString &path);                // into the composer
    void ask(const QString &question);                    // with what is in the composer
    void stop();
    void regenerate();
    void editLast();
    void exportMarkdown();

signals:
    void currentChanged(qint64 id);
    void statusMessage(const QString &text);
    void manageModelsRequested();

protected:
    void changeEvent(QEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;

private:
    void show(ChatSession *session);
    ChatSession *makeSession();
    void refresh();
    void onOfferTaken();
    void refreshWhere(); // shown where the model can point and there is a picture
    void onSend(const QString &text, const QVector<LoadedPicture> &pictures);
    void beginEdit(qint64 message);
    void endEdit();
    void retranslate();
    void askExample(const QString &picture, const QString &question);

    EngineService &m_engine;
    ModelLibrary &m_library;
    ConversationStore &m_store;
    ImageLoader &m_loader;
    Settings &m_settings;
    QHash<qint64, ChatSession *> m_sessions; // those with a conversation that are shown or running
    ChatSession *m_session = nullptr;
    PageHeader *m_header;
    ModelButton *m_model;
    QPushButton *m_parameters;
    QPushButton *m_export;
    ParametersPopover *m_popover = nullptr;
    QStackedWidget *m_stack;
    EmptyChat *m_empty;
    TranscriptView *m_view;
    OfferBar *m_offerBar;
    QWidget *m_editBar;
    QLabel *m_editLabel;
    QPushButton *m_editCancel;
    Composer *m_composer;
    QPushButton *m_where;
    DropOverlay *m_overlay;
    qint64 m_editing = 0;
    qint64 m_wanted = 0; // conversation being read from disk
};

} // namespace ui
