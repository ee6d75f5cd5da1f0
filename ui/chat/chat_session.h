// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "chat/running_answer.h"
#include "engine/request.h"
#include "services/image_loader.h"
#include "storage/records.h"
#include "transcript/message_model.h"

#include <QHash>
#include <QObject>
#include <QVector>

namespace ui {

class ConversationStore;
class EngineService;
class ModelLibrary;

// What one chat may be asked with; kept with the conversation.
struct ChatParameters {
    double temperature = 0.0;
    double topP = 1.0;
    int topK = 0;
    double minP = 0.0;
    double repetitionPenalty = 1.0;
    quint64 seed = 42;
    bool newSeedEachTime = false;
    int maxTokens = 1024;
    QString system;
    bool think = true;

    [[nodiscard]] engine::SamplingOptions sampling() const;
    [[nodiscard]] QString toJson() const;
    static ChatParameters fromJson(const QString &json); // unknown or bad values keep their default
    bool operator==(const ChatParameters &) const = default;
};

// One chat: its messages, its place on disk, the answer that runs. Lives on while another chat is looked at.
class ChatSession final : public QObject
{
    Q_OBJECT

public:
    ChatSession(EngineService &engine, ModelLibrary &library, ConversationStore &store, ImageLoader &loader,
        QObject *parent = nullptr);
    ~ChatSession() override; // a running answer is cancelled, what was written is kept

    void restore(const StoredConversation &stored);

    [[nodiscard]] RowId conversation() const { return m_conversation; } // 0 until the first question
    [[nodiscard]] const QString &title() const { return m_title; }
    [[nodiscard]] MessageModel *messages() { return &m_messages; }
    [[nodiscard]] bool isRunning() const { return m_answer.isRunning(); }
    [[nodiscard]] bool isEmpty() const { return m_turns.isEmpty(); }
    [[nodiscard]] bool hasPictures() const;
    [[nodiscard]] const QString &modelKey() const { return m_modelKey; }
    void setModelKey(const QString &key); // from the next answer on
    [[nodiscard]] const ChatParameters &parameters() const { return m_parameters; }
    void setParameters(const ChatParameters &parameters);
    [[nodiscard]] int usedTokens() const { return m_usedTokens; }

    // asksWhere: the text names something, and the answer is to give its boxes.
    void ask(const QString &text, const QVector<LoadedPicture> &pictures, bool asksWhere = false);
    void regenerate();
    // The question and all after it make room for a new branch; returns what it was asked with.
    struct Question {
        QString text;
        QVector<LoadedPicture> pictures;
        bool asksWhere = false;
    };
    [[nodiscard]] Question question(qint64 message) const;
    void askInstead(qint64 message, const QString &text, const QVector<LoadedPicture> &pictures, bool asksWhere = false);
    void stop();
    void rename(const QString &title); // as shown; the store is told by who renames
    [[nodiscard]] QImage picture(qint64 message, int index) const;

signals:
    void changed();                     // running or not, title, model, tokens
    void conversationCreated(qint64 id);
    void answerFinished(const QString &summary); // for the status line and screen readers
    void problem(const QString &sentence);       // a picture cannot be read back; answers go on without it

private:
    struct Turn {
        RowId id = 0;
        RowId parent = 0;
        engine::Role role = engine::Role::User;
        QVector<LoadedPicture> pictures; // `image` is null while it is read back from disk
        bool asksWhere = false;
    };
    void startAnswer();
    void sendRequest();
    void onFinished(AnswerState state);
    void onPictureRead(quint64 number, const LoadedPicture *picture);
    [[nodiscard]] bool readsPictures() const { return m_attachments > 0 || !m_reading.isEmpty(); }
    void sendIfPicturesAreThere();
    void dropFrom(int index);
    [[nodiscard]] RowId leaf() const { return m_turns.isEmpty() ? 0 : m_turns.back().id; }

    EngineService &m_engine;
    ModelLibrary &m_library;
    ConversationStore &m_store;
    ImageLoader &m_loader;
    MessageModel m_messages;
    QVector<Turn> m_turns; // as m_messages, row by row
    RowId m_conversation = 0;
    QString m_title;
    QString m_modelKey;
    ChatParameters m_parameters;
    RunningAnswer m_answer;
    int m_usedTokens = 0;
    bool m_waitingForPictures = false;
    int m_attachments = 0;             // pictures that the store has yet to bring
    QHash<quint64, QString> m_reading; // loader's number -> sha256
};

} // namespace ui
