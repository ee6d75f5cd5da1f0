// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "chat/running_answer.h"
#include "compare/column_settings.h"
#include "engine/request.h"
#include "services/image_loader.h"
#include "storage/records.h"
#include "transcript/transcript_view.h"

#include <QElapsedTimer>
#include <QWidget>

#include <optional>
#include <vector>

class QComboBox;
class QPushButton;

namespace ui {

class ColumnMark;
class ConversationStore;
class EngineService;
class MetricsStrip;
class ModelLibrary;
class OfferBar;
class RoleLabel;

struct Question {
    QString text;
    QVector<LoadedPicture> pictures;
    bool asksWhere = false; // the text names something, to be framed in the picture
};

// One column of a comparison: a model with its own settings and its own history. Nothing of another column's
// answers ever reaches it.
class CompareColumn final : public QWidget
{
    Q_OBJECT

public:
    CompareColumn(EngineService &engine, ModelLibrary &library, ConversationStore &store, int index,
        QWidget *parent = nullptr);
    ~CompareColumn() override;

    void setIndex(int index);
    void setRemovable(bool removable);
    [[nodiscard]] QString modelKey() const;
    void setModelKey(const QString &key);
    [[nodiscard]] QString modelName() const;
    [[nodiscard]] QString shownName() const; // the model's, or "Model B" while it is hidden
    // Blind: neither the model nor anything that gives it away is shown.
    void setBlind(bool blind);
    void setNumbered(bool numbered); // a letter beside the colour
    [[nodiscard]] const ColumnSettings &settings() const;
    void setSettings(const ColumnSettings &settings);

    void clear();
    void setConversation(RowId conversation);
    [[nodiscard]] RowId conversation() const { return m_conversation; }
    void restore(const StoredConversation &conversation); // reopened
    void setPicture(const QString &sha256, const LoadedPicture &picture); // of a reopened question

    void addQuestion(const Question &question); // shown, stored, and part of the history from now on
    void answer(quint64 seed);                  // the model's turn; ends in answered()
    // Once more, the last question that was left without a word of an answer; false: there is none.
    bool askAgain();
    void wait(const QString &why);              // its turn comes later
    void stop();
    [[nodiscard]] bool isBusy() const { return m_running.isRunning() || m_waiting; }
    [[nodiscard]] bool isWaiting() const { return m_waiting; }
    [[nodiscard]] int turns() const { return m_turnCount; }
    [[nodiscard]] bool hasPictures() const;
    [[nodiscard]] bool showsQuestions() const { return m_turnCount > 1 || !m_boxes.isEmpty(); }

    [[nodiscard]] QString latestAnswer() const; // what the overlays' offsets count in; empty when there is none
    [[nodiscard]] qint64 latestMessage() const { return m_answer; }
    [[nodiscard]] const QVector<PictureBox> &latestBoxes() const { return m_boxes; }
    [[nodiscard]] int pictureTokens() const { return m_pictureTokens; }
    [[nodiscard]] TranscriptView &view() { return *m_view; }
    [[nodiscard]] const MessageModel &messages() const { return m_messages; }
    [[nodiscard]] MetricsStrip &metrics() { return *m_metrics; }

signals:
    void modelChanged();
    void settingsChanged();
    void answered();
    void removeRequested();
    void offerTaken(); // another way to load the model was chosen

protected:
    void changeEvent(QEvent *event) override;
    void paintEvent(QPaintEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;

private:
    void fillModels();
    void retranslate();
    void updateInfo();
    void onPhase(engine::Phase phase, int done, int total);
    void onFinished(AnswerState state);
    void updateHint();
    void updateRoom();
    void showMark(const QString &text);
    void updateOffers();
    void showFigures(const StoredRun &run);
    void showQuestions(); // of several, or with what the answer points at

    EngineService &m_engine;
    ModelLibrary &m_library;
    ConversationStore &m_store;
    int m_index;
    RowId m_conversation = 0;
    RowId m_leaf = 0;
    RowId m_question = 0; // the latest
    qint64 m_answer = 0; // the latest
    int m_turnCount = 0;
    int m_pictureTokens = 0;
    bool m_waiting = false;
    bool m_blind = false;
    bool m_removable = false;
    QVector<PictureBox> m_boxes; // what the latest answer points at
    StoredRun m_lastRun; // whose figures are shown, or will be when the models are named
    std::vector<engine::Turn> m_turns;
    std::vector<QStringList> m_turnPictures; // by turn: what its images are called in storage
    struct Unanswered {
        engine::Turn turn;
        QStringList pictures;
        RowId question = 0;
    };
    std::optional<Unanswered> m_unanswered; // the last question, where there is no word of an answer
    QElapsedTimer m_sinceFirst;
    int m_written = 0;

    QWidget *m_header;
    ColumnMark *m_dot;
    QComboBox *m_model;
    RoleLabel *m_hidden; // instead of the model's name
    RoleLabel *m_info;
    ColumnSettingsButton *m_settings;
    ColumnMark *m_mark;
    QPushButton *m_remove;
    MessageModel m_messages;
    RunningAnswer m_running;
    TranscriptView *m_view;
    OfferBar *m_offers;
    MetricsStrip *m_metrics;
};

} // namespace ui
