// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "compare/compare_column.h"

#include "chat/offer_bar.h"
#include "compare/compare_parts.h"
#include "services/engine_service.h"
#include "services/model_library.h"
#include "storage/conversation_store.h"
#include "theme/icons.h"
#include "theme/style.h"
#include "widgets/role_label.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QPainter>
#include <QPushButton>
#include <QResizeEvent>
#include <QSignalBlocker>
#include <QVBoxLayout>

#include <algorithm>
#include <utility>

namespace ui {

namespace {

constexpr int kMinWidth = 288;
constexpr int kNarrow = 400;
constexpr int kAlternatives = 4; // likely tokens kept beside each that was written

} // namespace

CompareColumn::CompareColumn(
    EngineService &engine, ModelLibrary &library, ConversationStore &store, int index, QWidget *parent)
    : QWidget(parent), m_engine(engine), m_library(library), m_store(store), m_index(index),
      m_header(new Strip(Strip::Below)), m_dot(new ColumnMark(index)), m_model(new QComboBox),
      m_hidden(new RoleLabel(theme::Role::Text)), m_info(new RoleLabel(theme::Role::Muted)), m_settings(new ColumnSettingsButton), m_mark(new ColumnMark(index)),
      m_remove(new QPushButton),
      m_running(engine, library, store, m_messages), m_view(new TranscriptView),
      m_offers(new OfferBar(engine, library)), m_metrics(new MetricsStrip)
{
    setMinimumWidth(kMinWidth);
    auto *column = new QVBoxLayout(this);
    column->setContentsMargins(index > 0 ? 1 : 0, 0, 0, 0); // the line between columns
    column->setSpacing(0);
    m_header->setFixedHeight(44);
    auto *row = new QHBoxLayout(m_header);
    row->setContentsMargins(20, 0, 16, 1);
    row->setSpacing(8);
    m_model->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    m_model->setMaximumWidth(260);
    m_model->setMinimumWidth(96);
    m_remove->setIcon(theme::icon(QStringLiteral("close")));
    theme::setKind(m_remove, theme::Kind::Quiet);
    m_remove->hide();
    row->addWidget(m_dot);
    row->addWidget(m_model);
    row->addWidget(m_hidden);
    row->addWidget(m_info);
    row->addWidget(m_settings);
    row->addStretch(1);
    row->addWidget(m_mark);
    row->addWidget(m_remove);
    m_mark->hide();
    m_view->setFrameShape(QFrame::NoFrame);
    m_view->setModel(&m_messages);
    m_view->setActions(TranscriptView::CopyAction);
    m_view->setAuthorsShown(false);
    m_view->setQuestionsShown(false);
    m_view->setFiguresShown(false); // they stand below the column
    m_hidden->setPixelSize(theme::kTextPixels, true);
    m_hidden->hide();
    column->addWidget(m_header);
    column->addWidget(m_view, 1);
    auto *offers = new QHBoxLayout;
    offers->setContentsMargins(20, 0, 20, 12);
    offers->addWidget(m_offers);
    column->addLayout(offers);
    column->addWidget(m_metrics);

    connect(&m_library, &ModelLibrary::entriesChanged, this, &CompareColumn::fillModels);
    connect(m_model, &QComboBox::currentIndexChanged, this, [this] {
        updateInfo();
        emit modelChanged();
    });
    connect(m_settings, &ColumnSettingsButton::settingsChanged, this, &CompareColumn::settingsChanged);
    connect(m_remove, &QPushButton::clicked, this, &CompareColumn::removeRequested);
    connect(m_offers, &OfferBar::taken, this, &CompareColumn::offerTaken);
    connect(&m_running, &RunningAnswer::loading, this,
        [this](double share) { showMark(tr("Loading, %1 %").arg(int(share * 100))); });
    connect(&m_running, &RunningAnswer::phaseChanged, this, &CompareColumn::onPhase);
    connect(&m_running, &RunningAnswer::finished, this, &CompareColumn::onFinished);
    m_metrics->hide();
    fillModels();
    retranslate();
}

CompareColumn::~CompareColumn()
{
    m_view->setModel(nullptr); // it is destroyed after the messages
}

void CompareColumn::setIndex(int index)
{
    m_index = index;
    m_dot->setColumn(index);
    m_mark->setColumn(index);
    layout()->setContentsMargins(index > 0 ? 1 : 0, 0, 0, 0);
    retranslate();
}

void CompareColumn::setRemovable(bool removable)
{
    m_removable = removable;
    updateRoom();
}

void CompareColumn::fillModels()
{
    const QString kept = modelKey();
    const QSignalBlocker blocker(m_model);
    m_model->clear();
    for (const ModelEntry &entry : m_library.entries())
        if (entry.isUsable())
            m_model->addItem(entry.name, entry.key);
    setModelKey(kept.isEmpty() ? m_library.defaultKey() : kept);
}

QString CompareColumn::modelKey() const
{
    return m_model->currentData().toString();
}

QString CompareColumn::modelName() const
{
    return m_model->currentText();
}

QString CompareColumn::shownName() const
{
    return m_blind ? tr("Model %1").arg(QChar(u'A' + m_index)) : modelName();
}

void CompareColumn::setBlind(bool blind)
{
    if (blind == m_blind)
        return;
    m_blind = blind;
    updateOffers();
    m_model->setVisible(!blind);
    m_settings->setVisible(!blind);
    m_hidden->setVisible(blind);
    updateRoom();
    m_metrics->clear();
    if (!blind && m_messages.indexOf(m_answer) >= 0 && !isBusy())
        showFigures(m_lastRun);
    retranslate();
}

void CompareColumn::setNumbered(bool numbered)
{
    m_dot->setLetter(numbered ? QString(QChar(u'A' + m_index)) : QString());
}

void CompareColumn::setConversation(RowId conversation)
{
    m_conversation = conversation;
    updateRoom();
}

// What stands in the header depends on the room; a column with a history is not taken away by a slip.
void CompareColumn::updateRoom()
{
    const bool narrow = width() < kNarrow;
    m_info->setVisible(!narrow && !m_blind);
    m_settings->setCompact(narrow);
    m_metrics->setNarrow(narrow);
    m_remove->setVisible(m_removable && m_conversation == 0);
    if (auto *row = m_header->layout())
        row->setContentsMargins(narrow ? 16 : 20, 0, narrow ? 8 : 16, 1);
}

void CompareColumn::resizeEvent(QResizeEvent *event)
{
    QWidget::resizeEvent(event);
    if ((event->oldSize().width() < kNarrow) != (width() < kNarrow) || event->oldSize().isEmpty())
        updateRoom();
}

void CompareColumn::updateHint()
{
    m_view->setEmptyText(tr("%1 answers here").arg(shownName()));
}

void CompareColumn::setModelKey(const QString &key)
{
    int at = m_model->findData(key);
    if (at < 0 && !key.isEmpty()) { // gone from the list; its name still says what answered
        m_model->addItem(m_library.nameOf(key), key);
        at = m_model->count() - 1;
    }
    m_model->setCurrentIndex(at);
    updateInfo();
}

void CompareColumn::updateInfo()
{
    const ModelEntry *entry = m_library.find(modelKey());
    QString info = entry != nullptr ? entry->precisionName() : QString();
    if (entry != nullptr && entry->info.thinks)
        info += QStringLiteral(" · ") + tr("thinks");
    m_info->setText(info);
    updateHint();
    updateOffers();
    m_model->setToolTip(entry != nullptr ? entry->path : tr("This model is no longer in the list of models."));
}

const ColumnSettings &CompareColumn::settings() const
{
    return m_settings->settings();
}

void CompareColumn::setSettings(const ColumnSettings &settings)
{
    m_settings->setSettings(settings);
}

void CompareColumn::clear()
{
    m_running.drop(); // what was written is kept
    m_waiting = false;
    setConversation(0);
    m_leaf = 0;
    m_answer = 0;
    m_turnCount = 0;
    m_boxes.clear();
    m_pictureTokens = 0;
    m_turns.clear();
    m_turnPictures.clear();
    m_unanswered.reset();
    m_messages.clear();
    m_view->setBusy(false);
    m_view->setQuestionsShown(false);
    m_metrics->clear();
    m_metrics->hide();
    showMark({});
    updateHint();
}

void CompareColumn::restore(const StoredConversation &conversation)
{
    clear();
    setConversation(conversation.id);
    setModelKey(conversation.modelKey);
    setSettings(ColumnSettings::fromJson(conversation.settings));
    const QVector<StoredMessage> path = conversation.path();
    for (const StoredMessage &stored : path) {
        Message message;
        message.id = stored.id;
        message.column = m_index;
        engine::Turn turn;
        turn.text = stored.text().toStdString();
        turn.asksWhere = stored.asksWhere();
        QStringList pictures;
        for (const StoredPart &part : stored.parts) {
            if (part.kind != PartKind::Image)
                continue;
            pictures += part.sha256;
            message.pictures += TranscriptPicture{part.name, part.sha256, QSize(part.width, part.height), {}};
        }
        turn.images.resize(std::size_t(pictures.size()));
        if (stored.role == StoredRole::Assistant) {
            turn.role = engine::Role::Assistant;
            turn.thinking = stored.text(PartKind::Thinking).toStdString();
            message.author = Author::Assistant;
            message.phase = phaseOf(stored.state);
            if (stored.run) {
                message.modelName = stored.run->modelName;
                message.figures = figuresOf(*stored.run);
                message.error = stored.run->error;
                showFigures(*stored.run);
            }
            m_answer = stored.id;
            showMark(stored.state == AnswerState::Complete ? tr("Done") : tr("Stopped"));
        } else {
            ++m_turnCount;
        }
        m_messages.append(message, stored.text(), stored.text(PartKind::Thinking));
        if (stored.role == StoredRole::Assistant)
            m_boxes = showBoxes(m_messages, m_messages.count() - 1);
        m_leaf = stored.id;
        const bool emptyAnswer = stored.role == StoredRole::Assistant && turn.text.empty();
        if (emptyAnswer && !m_turns.empty()) { // a question without an answer is no part of the history
            m_turns.pop_back();
            m_turnPictures.pop_back();
        } else if (!emptyAnswer) {
            m_turns.push_back(std::move(turn));
            m_turnPictures.push_back(pictures);
        }
    }
    m_metrics->setVisible(m_turnCount > 0);
    showQuestions();
    m_view->scrollToEnd();
}

void CompareColumn::setPicture(const QString &sha256, const LoadedPicture &picture)
{
    for (std::size_t turn = 0; turn < m_turns.size(); ++turn)
        for (int i = 0; i < m_turnPictures[turn].size(); ++i)
            if (m_turnPictures[turn][i] == sha256)
                m_turns[turn].images[std::size_t(i)] = picture.image;
    for (int i = 0; i < m_messages.count(); ++i) {
        bool has = false;
        for (const TranscriptPicture &own : m_messages.at(i).pictures)
            has = has || own.sha256 == sha256;
        if (!has)
            continue;
        m_messages.update(m_messages.at(i).id, [&](Message &message) {
            for (TranscriptPicture &own : message.pictures)
                if (own.sha256 == sha256)
                    own.thumbnail = picture.thumbnail;
        });
    }
}

void CompareColumn::addQuestion(const Question &question)
{
    m_unanswered.reset();
    QVector<StoredPart> parts;
    Message message;
    message.column = m_index;
    engine::Turn turn;
    turn.role = engine::Role::User;
    turn.text = question.text.toStdString();
    turn.asksWhere = question.asksWhere;
    QStringList names;
    for (const LoadedPicture &picture : question.pictures) {
        const QSize size(picture.image->width, picture.image->height);
        parts += StoredPart{.kind = PartKind::Image, .text = {}, .sha256 = picture.sha256, .name = picture.name,
            .width = size.width(), .height = size.height()};
        message.pictures += TranscriptPicture{picture.name, picture.sha256, size, picture.thumbnail};
        turn.images.push_back(picture.image);
        names += picture.sha256;
    }
    parts += StoredPart{.kind = PartKind::Text, .text = question.text, .sha256 = {}, .name = question.asksWhere ? kAsksWhere : QString()};
    m_leaf = m_question = m_store.addMessage(m_conversation, m_leaf, StoredRole::User, parts);
    message.id = m_leaf;
    m_messages.append(message, question.text);
    m_turns.push_back(std::move(turn));
    m_turnPictures.push_back(names);
    ++m_turnCount;
    showQuestions();
    m_metrics->show();
}

void CompareColumn::wait(const QString &why)
{
    m_waiting = true;
    m_metrics->clear();
    showMark(why);
}

void CompareColumn::answer(quint64 seed)
{
    m_waiting = false;
    m_metrics->clear();
    m_written = 0;
    m_sinceFirst.invalidate();
    m_view->setOverlays(m_answer, {});

    engine::GenerationRequest request;
    request.turns = m_turns;
    const ModelEntry *entry = m_library.find(modelKey());
    for (engine::Turn &turn : request.turns) {
        std::erase(turn.images, nullptr); // a stored picture that is gone or broken
        // A model that was chosen since and cannot point reads the question as words.
        turn.asksWhere = turn.asksWhere && entry != nullptr && entry->info.locates;
    }
    request.sampling = settings().sampling(seed);
    request.observe.alternatives = kAlternatives;
    m_answer = m_running.begin({.conversation = m_conversation,
        .parent = m_leaf,
        .modelKey = modelKey(),
        .column = m_index,
        .seed = seed,
        .sampler = samplerJson(request.sampling)});
    m_leaf = m_answer;
    m_view->setBusy(true);
    m_view->scrollToEnd();
    showMark(tr("Waiting"));
    m_running.send(std::move(request));
}

bool CompareColumn::askAgain()
{
    if (isBusy() || !m_unanswered)
        return false;
    m_turns.push_back(std::move(m_unanswered->turn));
    m_turnPictures.push_back(std::move(m_unanswered->pictures));
    m_leaf = m_unanswered->question;
    m_unanswered.reset();
    if (const int failed = m_messages.indexOf(m_answer); failed >= 0)
        m_messages.truncate(failed);
    return true;
}

void CompareColumn::updateOffers()
{
    m_offers->setModel(modelKey(), m_blind ? shownName() : QString());
}

void CompareColumn::stop()
{
    if (std::exchange(m_waiting, false)) {
        showMark(tr("Stopped"));
        emit answered();
        return;
    }
    m_running.stop();
}

void CompareColumn::onPhase(engine::Phase phase, int done, int)
{
    switch (phase) {
    case engine::Phase::Queued: showMark(tr("Waiting")); break;
    case engine::Phase::Looking: showMark(tr("Looking")); break;
    case engine::Phase::Reading: showMark(tr("Reading")); break;
    case engine::Phase::Thinking: showMark(tr("Thinking")); break;
    case engine::Phase::Answering: showMark(tr("Answering")); break;
    }
    if (phase != engine::Phase::Thinking && phase != engine::Phase::Answering)
        return;
    if (!m_sinceFirst.isValid())
        m_sinceFirst.start();
    m_written = qMax(m_written, done);
    if (m_blind)
        return;
    m_metrics->setTokens(0, m_written);
    if (m_sinceFirst.isValid() && m_sinceFirst.elapsed() > 200 && m_written > 1)
        m_metrics->setSpeed((m_written - 1) * 1000.0 / double(m_sinceFirst.elapsed()));
}

void CompareColumn::onFinished(AnswerState state)
{
    if (m_running.text().isEmpty()) { // a question without an answer is no part of the history
        m_unanswered = {std::move(m_turns.back()), std::move(m_turnPictures.back()), m_question};
        m_turns.pop_back();
        m_turnPictures.pop_back();
    } else {
        engine::Turn turn;
        turn.role = engine::Role::Assistant;
        turn.text = m_running.text().toStdString();
        turn.thinking = m_running.thinking().toStdString();
        m_turns.push_back(std::move(turn));
        m_turnPictures.push_back({});
    }
    if (const int row = m_messages.indexOf(m_answer); row >= 0)
        m_boxes = showBoxes(m_messages, row);
    showQuestions();
    showFigures(m_running.run());
    showMark(state == AnswerState::Complete ? tr("Done") : state == AnswerState::Cancelled ? tr("Stopped") : tr("Failed"));
    m_view->setBusy(false);
    emit answered();
}

void CompareColumn::showFigures(const StoredRun &run)
{
    m_pictureTokens = run.imageTokens;
    m_lastRun = run;
    if (m_blind) // speed gives a model away
        return;
    m_metrics->setFirstWord(run.firstTokenMs);
    m_metrics->setSpeed(run.generateTokensPerSecond);
    m_metrics->setTokens(run.thinkingTokens, run.answerTokens);
    m_metrics->setPrompt(run.promptTokens, run.imageTokens);
}

// One question stands above the columns; what an answer frames is its column's own.
void CompareColumn::showQuestions()
{
    m_view->setQuestionsShown(showsQuestions());
}

bool CompareColumn::hasPictures() const
{
    return std::any_of(m_turns.cbegin(), m_turns.cend(), [](const engine::Turn &turn) { return !turn.images.empty(); });
}

void CompareColumn::showMark(const QString &text)
{
    m_mark->setText(text);
    m_mark->setVisible(!text.isEmpty());
}

QString CompareColumn::latestAnswer() const
{
    const int at = m_messages.indexOf(m_answer);
    return at < 0 ? QString() : m_messages.plainText(at);
}

void CompareColumn::retranslate()
{
    m_model->setAccessibleName(tr("Model of column %1").arg(m_index + 1));
    m_view->setAccessibleName(tr("Answers of column %1").arg(m_index + 1));
    m_remove->setToolTip(tr("Take this column away"));
    m_remove->setAccessibleName(tr("Take this column away"));
    m_metrics->retranslate();
    m_hidden->setText(shownName());
    updateInfo();
}

void CompareColumn::changeEvent(QEvent *event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

void CompareColumn::paintEvent(QPaintEvent *)
{
    if (m_index == 0)
        return;
    QPainter painter(this);
    theme::drawHairline(&painter, {0, 0}, {0, qreal(height())}, theme::tokensFor(this)[theme::Role::Border]);
}

} // namespace ui
