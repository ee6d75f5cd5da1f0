// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compare/compare_column.h"
#include "compare/word_diff.h"

#include <QHash>
#include <QSet>
#include <QWidget>

class QHBoxLayout;
class QMenu;
class QPushButton;
class QScrollArea;

namespace ui {

class Composer;
class DropOverlay;
class ElidedLabel;
class PageHeader;
class QuestionStrip;
class RoleLabel;
class Settings;

// One question, two to four answers side by side. Stored as it goes, reopened from the sidebar.
class ComparePage final : public QWidget
{
    Q_OBJECT

public:
    ComparePage(EngineService &engine, ModelLibrary &library, ConversationStore &store, ImageLoader &loader,
        Settings &settings, QWidget *parent = nullptr);

    [[nodiscard]] RowId comparison() const { return m_comparison; }
    [[nodiscard]] bool isBusy() const;
    [[nodiscard]] const QVector<CompareColumn *> &columns() const { return m_columns; }

public slots:
    void newComparison();
    void openComparison(RowId id);
    void ask(const QString &text, const QVector<ui::LoadedPicture> &pictures, bool asksWhere = false);
    void stop();

signals:
    void sessionOpened(RowId comparison);      // a new one was stored, or one was opened
    void continueInChat(RowId conversation);   // a new chat, already stored
    void problem(const QString &sentence);     // for the status line

protected:
    void changeEvent(QEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;

private:
    void buildHeader();
    void buildVerdicts();
    void buildEmpty();
    void retranslate();
    void expectPictures(); // for a first question to models that have learnt nothing else
    void setColumnCount(int count);
    CompareColumn *addColumn(const QString &modelKey);
    void removeColumn(CompareColumn *column);
    void onModelsChosen();
    void refreshWhere(); // shown where all models can point and there is a picture
    void updateQuestion(); // above the columns, unless the window is low and they show it themselves
    void updateFit();
    void updateVerdicts();
    void updateDiff();
    void runNext();
    void onAnswered();
    void onOfferTaken(CompareColumn *column);
    void vote(Verdict verdict);
    [[nodiscard]] QVector<Verdict> verdictsOffered() const;
    [[nodiscard]] QString verdictText(Verdict verdict) const;
    void shuffleColumns();
    void setBlind(Blind blind);
    void link(const CompareColumn *scrolled);
    void showFirstDifference();
    void continueWith(CompareColumn *column);
    void restore(const StoredComparison &stored);
    void requestPictures(const StoredComparison &stored);
    void onPictureLoaded(quint64 number, const LoadedPicture &picture);
    void onPictureFailed(quint64 number, const QString &name, const QString &sentence);
    [[nodiscard]] quint64 seedOf(int column) const;

    EngineService &m_engine;
    ModelLibrary &m_library;
    ConversationStore &m_store;
    ImageLoader &m_loader;
    Settings &m_settings;

    RowId m_comparison = 0;
    RowId m_opening = 0;
    QString m_title;
    quint64 m_seed = 0;
    int m_turn = -1;                 // of the latest question
    bool m_swap = false;             // the models do not fit together: one after the other
    int m_running = -1;              // swap: the column that answers
    QHash<int, Verdict> m_votes;     // by turn
    QSet<QString> m_awaited;            // attachments of a reopened comparison that are not read yet
    QHash<quint64, QString> m_pictures; // those being decoded: number to attachment
    Blind m_blind = Blind::Off;
    bool m_linking = false; // columns follow the one that was scrolled
    // Of each column against the first; that of the first itself is empty.
    QVector<WordDiff> m_differences;
    int m_firstWord = 0; // where any column first differs; 0: all the same

    PageHeader *m_header;
    QPushButton *m_seedLock;
    ElidedLabel *m_fit;
    QPushButton *m_new;
    QPushButton *m_diff;
    QPushButton *m_link;
    QPushButton *m_blindButton;
    QPushButton *m_addColumn;
    QWidget *m_empty; // before the first question: what can be done here, and one example
    RoleLabel *m_emptyText;
    QPushButton *m_example;
    QuestionStrip *m_question;
    QWidget *m_line; // below it
    QScrollArea *m_columnArea;
    QHBoxLayout *m_columnRow;
    QVector<CompareColumn *> m_columns;
    QWidget *m_verdictRow;
    QHash<Verdict, QPushButton *> m_verdicts;
    QPushButton *m_reveal;
    QPushButton *m_first;
    QPushButton *m_continue;
    QMenu *m_continueMenu;
    Composer *m_composer;
    QPushButton *m_where;
    DropOverlay *m_overlay;
};

} // namespace ui
