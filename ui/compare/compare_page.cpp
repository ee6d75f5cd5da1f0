// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "compare/compare_page.h"

#include "chat/composer.h"
#include "chat/drop_overlay.h"
#include "chat/empty_chat.h"
#include "compare/compare_parts.h"
#include "compare/fit_plan.h"
#include "services/engine_service.h"
#include "services/model_library.h"
#include "services/settings.h"
#include "storage/conversation_store.h"
#include "theme/icons.h"
#include "theme/style.h"
#include "widgets/elided_label.h"
#include "widgets/page_header.h"
#include "widgets/role_label.h"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QMenu>
#include <QPushButton>
#include <QRandomGenerator>
#include <QScrollArea>
#include <QScrollBar>
#include <QSet>
#include <QSignalBlocker>
#include <QVBoxLayout>

#include <algorithm>
#include <utility>

namespace ui {

namespace {

constexpr int kMostColumns = 4;
constexpr int kTitleCharacters = 48;
constexpr int kTight = 1080;  // below, buttons of the header that have an icon show only it
constexpr int kNarrow = 900; // below, verdicts are short too
constexpr int kLow = 600;    // below, the question stands in the columns alone where they show it
// In the order of their buttons; which of them are offered depends on the number of columns.
constexpr Verdict kVerdicts[] = {Verdict::LeftBetter, Verdict::BestA, Verdict::BestB, Verdict::BestC, Verdict::BestD,
    Verdict::Tie, Verdict::BothBad, Verdict::RightBetter};

quint64 newSeed()
{
    return QRandomGenerator::global()->bounded(1U, 1000000U); // short enough to be read and typed
}

QString titleOf(const QString &question)
{
    const QString line = question.simplified();
    return line.size() > kTitleCharacters ? line.left(kTitleCharacters - 1) + QChar(0x2026) : line;
}

} // namespace

ComparePage::ComparePage(EngineService &engine, ModelLibrary &library, ConversationStore &store, ImageLoader &loader,
    Settings &settings, QWidget *parent)
    : QWidget(parent), m_engine(engine), m_library(library), m_store(store), m_loader(loader), m_settings(settings),
      m_header(new PageHeader), m_seedLock(new QPushButton), m_fit(new ElidedLabel),
      m_new(new QPushButton), m_diff(new QPushButton), m_link(new QPushButton), m_blindButton(new QPushButton), m_addColumn(new QPushButton), m_empty(new QWidget),
      m_emptyText(new RoleLabel(theme::Role::Muted)), m_example(new QPushButton), m_question(new QuestionStrip), m_line(new Strip(Strip::Above)),
      m_columnArea(new QScrollArea), m_columnRow(new QHBoxLayout), m_verdictRow(new QWidget), m_reveal(new QPushButton), m_first(new QPushButton), m_continue(new QPushButton),
      m_continueMenu(new QMenu(this)), m_composer(new Composer(loader)), m_where(new QPushButton(m_composer)), m_overlay(new DropOverlay(this, m_composer))
{
    auto *page = new QVBoxLayout(this);
    page->setContentsMargins(0, 0, 0, 0);
    page->setSpacing(0);
    buildHeader();
    page->addWidget(m_header);
    buildEmpty();
    page->addWidget(m_empty);
    page->addWidget(m_question);
    m_line->setFixedHeight(1);
    page->addWidget(m_line);
    m_columnRow->setContentsMargins(0, 0, 0, 0);
    m_columnRow->setSpacing(0);
    auto *row = new QWidget;
    row->setLayout(m_columnRow);
    m_columnArea->setWidget(row);
    m_columnArea->setWidgetResizable(true);
    m_columnArea->setFrameShape(QFrame::NoFrame);
    m_columnArea->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_columnArea->setFocusPolicy(Qt::NoFocus);
    page->addWidget(m_columnArea, 1);
    auto *below = new QVBoxLayout;
    below->setContentsMargins(20, 10, 20, 16);
    below->setSpacing(10);
    auto *top = new Strip(Strip::Above);
    top->setFixedHeight(1);
    page->addWidget(top);
    buildVerdicts();
    below->addWidget(m_verdictRow);
    below->addWidget(m_composer);
    page->addLayout(below);

    setFocusProxy(m_composer);
    m_where->setCheckable(true);
    m_where->setIcon(theme::icon(QStringLiteral("where")));
    m_composer->addTool(m_where);
    connect(m_composer, &Composer::sendRequested, this,
        [this](const QString &text, const QVector<LoadedPicture> &pictures) { ask(text, pictures, m_where->isChecked()); });
    connect(m_composer, &Composer::contentChanged, this, &ComparePage::refreshWhere);
    connect(m_where, &QPushButton::toggled, this, [this] {
        retranslate();
        m_composer->takeFocus();
    });
    connect(m_composer, &Composer::stopRequested, this, &ComparePage::stop);
    connect(&m_loader, &ImageLoader::loaded, this, &ComparePage::onPictureLoaded);
    connect(&m_loader, &ImageLoader::failed, this, &ComparePage::onPictureFailed);
    connect(&m_engine, &EngineService::modelsChanged, this, &ComparePage::updateFit);
    connect(&m_settings, &Settings::engineChanged, this, &ComparePage::updateFit);
    connect(&m_library, &ModelLibrary::entriesChanged, this, &ComparePage::updateFit);
    connect(&m_library, &ModelLibrary::entriesChanged, this, &ComparePage::refreshWhere);

    addColumn(m_settings.value(QStringLiteral("compare/model0"), m_library.defaultKey()).toString());
    addColumn(m_settings.value(QStringLiteral("compare/model1"), m_library.secondKey()).toString());
    newComparison();
}

void ComparePage::buildHeader()
{
    theme::setKind(m_seedLock, theme::Kind::Chip);
    m_seedLock->setCheckable(true);
    m_seedLock->setChecked(true);
    m_seedLock->setIcon(theme::icon(QStringLiteral("lock")));
    m_fit->setRole(theme::Role::Muted);
    QFont small = m_fit->font();
    small.setPixelSize(theme::kSmallPixels);
    m_fit->setFont(small);
    m_diff->setCheckable(true);
    m_diff->setChecked(m_settings.value(QStringLiteral("compare/diff"), true).toBool());
    m_link->setCheckable(true);
    m_link->setChecked(m_settings.value(QStringLiteral("compare/link"), true).toBool());
    m_link->setIcon(theme::icon(QStringLiteral("link")));
    m_blindButton->setCheckable(true);
    m_blindButton->setIcon(theme::icon(QStringLiteral("blind")));
    m_diff->setIcon(theme::icon(QStringLiteral("swap")));
    m_header->addLeft(m_seedLock);
    m_header->addLeft(m_fit);
    m_header->addRight(m_diff);
    m_header->addRight(m_link);
    m_header->addRight(m_blindButton);
    m_header->addRight(m_addColumn);
    m_header->addRight(m_new);
    connect(m_seedLock, &QPushButton::toggled, this, &ComparePage::retranslate);
    connect(m_diff, &QPushButton::toggled, this, [this](bool on) {
        m_settings.setValue(QStringLiteral("compare/diff"), on);
        updateDiff();
    });
    connect(m_link, &QPushButton::toggled, this, [this](bool on) {
        m_settings.setValue(QStringLiteral("compare/link"), on);
        if (on)
            link(m_columns.first());
    });
    connect(m_blindButton, &QPushButton::clicked, this, [this](bool on) {
        if (on && m_comparison != 0)
            newComparison(); // what was seen cannot be hidden again
        setBlind(on ? Blind::Hidden : m_blind == Blind::Hidden && m_comparison != 0 ? Blind::Revealed : Blind::Off);
    });
    connect(m_addColumn, &QPushButton::clicked, this, [this] {
        if (m_comparison != 0)
            newComparison(); // columns of a stored comparison have histories; a new one begins without
        addColumn(m_library.defaultKey());
        onModelsChosen();
    });
    connect(m_new, &QPushButton::clicked, this, &ComparePage::newComparison);
}

void ComparePage::buildEmpty()
{
    auto *row = new QHBoxLayout(m_empty);
    row->setContentsMargins(20, 12, 20, 12);
    row->setSpacing(16);
    m_emptyText->setWordWrap(true);
    row->addWidget(m_emptyText, 1);
    row->addWidget(m_example);
    m_example->setVisible(!EmptyChat::examplePicture().isEmpty());
    connect(m_example, &QPushButton::clicked, this, [this] {
        m_composer->addFile(EmptyChat::examplePicture());
        m_composer->setText(tr("How many red shapes are there?"));
        m_composer->takeFocus();
    });
}

void ComparePage::buildVerdicts()
{
    auto *row = new QHBoxLayout(m_verdictRow);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(8);
    row->addStretch(1);
    for (const Verdict verdict : kVerdicts) {
        auto *button = new QPushButton;
        button->setCheckable(true);
        row->addWidget(button);
        m_verdicts.insert(verdict, button);
        connect(button, &QPushButton::clicked, this, [this, verdict] { vote(verdict); });
    }
    row->addWidget(m_reveal);
    connect(m_reveal, &QPushButton::clicked, this, [this] { setBlind(Blind::Revealed); });
    row->addWidget(m_first);
    row->addWidget(m_continue);
    row->addStretch(1);
    m_continue->setMenu(m_continueMenu);
    connect(m_first, &QPushButton::clicked, this, &ComparePage::showFirstDifference);
    connect(m_continueMenu, &QMenu::aboutToShow, this, [this] {
        m_continueMenu->clear();
        for (CompareColumn *column : std::as_const(m_columns))
            connect(m_continueMenu->addAction(column->shownName()), &QAction::triggered, this,
                [this, column] { continueWith(column); });
    });
}

CompareColumn *ComparePage::addColumn(const QString &modelKey)
{
    auto *column = new CompareColumn(m_engine, m_library, m_store, int(m_columns.size()));
    column->setModelKey(modelKey);
    m_columns += column;
    m_columnRow->addWidget(column, 1);
    connect(column, &CompareColumn::modelChanged, this, &ComparePage::onModelsChosen);
    connect(column, &CompareColumn::settingsChanged, this, [this, column] {
        if (column->conversation() != 0)
            m_store.setModel(column->conversation(), column->modelKey(), column->settings().toJson());
    });
    connect(column, &CompareColumn::answered, this, &ComparePage::onAnswered);
    connect(&column->view(), &TranscriptView::scrolledByUser, this, [this, column] { link(column); });
    connect(column, &CompareColumn::offerTaken, this, [this, column] { onOfferTaken(column); });
    connect(column, &CompareColumn::removeRequested, this, [this, column] { removeColumn(column); });
    return column;
}

void ComparePage::removeColumn(CompareColumn *column)
{
    if (m_columns.size() <= 2)
        return;
    if (m_comparison != 0)
        newComparison();
    m_columns.removeOne(column);
    column->hide();
    column->deleteLater();
    for (int i = 0; i < m_columns.size(); ++i)
        m_columns[i]->setIndex(i);
    onModelsChosen();
}

void ComparePage::setColumnCount(int count)
{
    while (m_columns.size() < count)
        addColumn(m_library.defaultKey());
    while (m_columns.size() > count) {
        CompareColumn *last = m_columns.takeLast();
        last->hide();
        last->deleteLater();
    }
}

void ComparePage::onModelsChosen()
{
    bool pictures = true;
    for (CompareColumn *column : std::as_const(m_columns)) {
        const ModelEntry *entry = m_library.find(column->modelKey());
        pictures = pictures && (entry == nullptr || !entry->inspected || entry->info.readsPictures);
        if (column->conversation() != 0)
            m_store.setModel(column->conversation(), column->modelKey(), column->settings().toJson());
        column->setRemovable(m_columns.size() > 2);
        column->setNumbered(m_columns.size() > 2 || m_blind == Blind::Hidden);
    }
    if (m_columns.size() == 2 && m_blind != Blind::Hidden) { // the order in which they were chosen

        m_settings.setValue(QStringLiteral("compare/model0"), m_columns[0]->modelKey());
        m_settings.setValue(QStringLiteral("compare/model1"), m_columns[1]->modelKey());
    }
    m_composer->setPicturesAllowed(pictures, tr("One of the models reads no pictures."));
    expectPictures();
    refreshWhere();
    m_addColumn->setEnabled(m_columns.size() < kMostColumns);
    updateFit();
    updateVerdicts();
}

void ComparePage::updateFit()
{
    QVector<QString> keys;
    for (const CompareColumn *column : std::as_const(m_columns))
        keys += column->modelKey();
    const FitPlan plan = planFit(m_engine, m_library, keys);
    m_fit->setRole(plan.fits ? theme::Role::Muted : theme::Role::Warning);
    m_fit->setText(plan.sentence());
    m_fit->setExplanation(plan.explanation());
    if (!isBusy())
        m_swap = !plan.fits && plan.models > 1;
}

bool ComparePage::isBusy() const
{
    return std::any_of(m_columns.begin(), m_columns.end(), [](const CompareColumn *column) { return column->isBusy(); });
}

void ComparePage::newComparison()
{
    m_comparison = 0;
    m_opening = 0;
    m_title.clear();
    m_turn = -1;
    m_running = -1;
    m_votes.clear();
    m_pictures.clear();
    m_awaited.clear();
    setBlind(Blind::Off);
    m_seed = newSeed();
    for (CompareColumn *column : std::as_const(m_columns))
        column->clear();
    m_composer->setBusy(false);
    m_question->setQuestion({}, {});
    updateQuestion();
    m_empty->show();
    retranslate();
    onModelsChosen();
    updateDiff();
    m_composer->takeFocus();
}

quint64 ComparePage::seedOf(int column) const
{
    // Unlocked, each column and turn draws its own.
    return m_seedLock->isChecked() ? m_seed : m_seed + quint64(column + 1) * 7919 + quint64(m_turn) * 104729;
}

void ComparePage::ask(const QString &text, const QVector<LoadedPicture> &pictures, bool asksWhere)
{
    if (isBusy() || (text.trimmed().isEmpty() && pictures.isEmpty()))
        return;
    if (!m_awaited.isEmpty()) {
        emit problem(tr("The pictures of this comparison are still being read; ask again in a moment."));
        return;
    }
    if (m_comparison == 0) {
        m_title = titleOf(text.isEmpty() ? pictures.first().name : text);
        if (m_blind == Blind::Hidden)
            shuffleColumns();
        QVector<ConversationStore::Column> columns;
        for (const CompareColumn *column : std::as_const(m_columns))
            columns += {column->modelKey(), column->settings().toJson()};
        const ConversationStore::NewComparison made =
            m_store.createComparison(m_title, columns, m_seedLock->isChecked(), m_seed, m_blind);
        m_comparison = made.id;
        for (int i = 0; i < m_columns.size(); ++i)
            m_columns[i]->setConversation(made.columns[i]);
        emit sessionOpened(m_comparison);
    }
    QVector<QuestionStrip::Picture> shown;
    for (const LoadedPicture &picture : pictures) {
        m_store.addAttachment(picture.sha256, picture.encoded);
        shown += {picture.thumbnail, picture.name, QSize(picture.image->width, picture.image->height)};
    }
    ++m_turn;
    updateFit();
    m_question->setQuestion(text, shown);
    m_empty->hide();
    m_composer->clear();
    m_where->setChecked(false);
    m_composer->setBusy(true);
    retranslate();
    for (CompareColumn *column : std::as_const(m_columns))
        column->addQuestion({text, pictures, asksWhere && !text.trimmed().isEmpty()});
    refreshWhere();
    updateQuestion();
    if (m_swap) {
        for (CompareColumn *column : std::as_const(m_columns))
            column->wait(tr("Its turn comes"));
        m_running = -1;
        runNext();
    } else {
        for (int i = 0; i < m_columns.size(); ++i)
            m_columns[i]->answer(seedOf(i));
    }
    updateDiff();
}

// Swap: what does not fit together answers in turn, and makes room first.
void ComparePage::runNext()
{
    const auto waiting = std::find_if(m_columns.begin(), m_columns.end(), [](const CompareColumn *column) { return column->isWaiting(); });
    m_running = int(waiting - m_columns.begin());
    if (m_running >= m_columns.size())
        return;
    const QString next = EngineService::loadKey(m_library.loadOptions(m_columns[m_running]->modelKey()));
    const std::vector<engine::LoadedModel> loaded = m_engine.models();
    for (const engine::LoadedModel &model : loaded)
        if (EngineService::loadKey(model.options) != next)
            m_engine.unload(model.options);
    m_columns[m_running]->answer(seedOf(m_running));
}

// A model that was refused is loaded another way, and its column asked again what it left without a word.
void ComparePage::onOfferTaken(CompareColumn *column)
{
    updateFit();
    m_composer->takeFocus(); // the button that had it is gone
    const auto at = int(m_columns.indexOf(column));
    if (!column->askAgain()) {
        if (!column->isBusy())
            m_engine.load(m_library.loadOptions(column->modelKey()));
        return;
    }
    m_composer->setBusy(true);
    if (!m_swap) {
        column->answer(seedOf(at));
    } else {
        const bool others = isBusy();
        column->wait(tr("Its turn comes"));
        if (!others)
            runNext();
    }
    updateDiff();
}

void ComparePage::onAnswered()
{
    if (m_swap && m_running >= 0 && m_running < m_columns.size() && !m_columns[m_running]->isBusy() && isBusy()) {
        runNext();
        return;
    }
    if (isBusy())
        return;
    m_running = -1;
    m_composer->setBusy(false);
    m_question->setPictureTokens(m_columns.first()->pictureTokens());
    updateQuestion();
    updateDiff();
}

void ComparePage::stop()
{
    for (auto column = m_columns.rbegin(); column != m_columns.rend(); ++column)
        (*column)->stop(); // those that wait first: the running one's end would start them
}

// Every column is read against the first: what the first has alone is marked there, what another has instead there.
void ComparePage::updateDiff()
{
    m_differences.clear();
    m_firstWord = 0;
    const bool all = m_turn >= 0 && !isBusy() && std::none_of(m_columns.begin(), m_columns.end(),
        [](const CompareColumn *column) { return column->latestAnswer().isEmpty(); });
    if (all) {
        const bool shown = m_diff->isChecked();
        QVector<TextOverlay> ofFirst;
        m_differences.resize(m_columns.size());
        for (int i = 1; i < m_columns.size(); ++i) {
            m_differences[i] = diffWords(m_columns[0]->latestAnswer(), m_columns[i]->latestAnswer());
            const WordDiff &difference = m_differences[i];
            QVector<TextOverlay> marks;
            for (const WordSpan &span : difference.left)
                ofFirst += TextOverlay{span.begin, span.length, theme::Role::Inserted, true};
            for (const WordSpan &span : difference.right)
                marks += TextOverlay{span.begin, span.length, theme::Role::Removed, true};
            m_columns[i]->view().setOverlays(m_columns[i]->latestMessage(), shown ? marks : QVector<TextOverlay>());
            if (!difference.isSame() && (m_firstWord == 0 || difference.firstDifferentWord < m_firstWord))
                m_firstWord = difference.firstDifferentWord;
        }
        m_columns[0]->view().setOverlays(m_columns[0]->latestMessage(), shown ? ofFirst : QVector<TextOverlay>());
    }
    m_first->setVisible(all);
    m_first->setEnabled(m_firstWord > 0);
    updateVerdicts();
}

QVector<Verdict> ComparePage::verdictsOffered() const
{
    if (m_columns.size() == 2)
        return {Verdict::LeftBetter, Verdict::Tie, Verdict::BothBad, Verdict::RightBetter};
    QVector<Verdict> offered;
    for (int i = 0; i < m_columns.size(); ++i)
        offered += Verdict(int(Verdict::BestA) + i);
    return offered + QVector<Verdict>{Verdict::Tie, Verdict::BothBad};
}

QString ComparePage::verdictText(Verdict verdict) const
{
    switch (verdict) {
    case Verdict::LeftBetter: return width() < kNarrow ? tr("◀ Left") : tr("◀ Left is better");
    case Verdict::RightBetter: return width() < kNarrow ? tr("Right ▶") : tr("Right is better ▶");
    case Verdict::Tie: return tr("Tie");
    case Verdict::BothBad: return m_columns.size() == 2 ? tr("Both bad") : tr("All bad");
    default: return tr("%1 is best").arg(QChar(u'A' + int(verdict) - int(Verdict::BestA)));
    }
}

void ComparePage::updateVerdicts()
{
    const bool answered = m_turn >= 0 && !isBusy();
    m_verdictRow->setVisible(answered);
    // What there is one answer of, or none, is not compared.
    const bool comparable = std::ranges::count_if(m_columns, [](const CompareColumn *column) { return !column->latestAnswer().isEmpty(); }) > 1;
    const QVector<Verdict> offered = comparable ? verdictsOffered() : QVector<Verdict>();
    const auto voted = m_votes.constFind(m_turn);
    for (const Verdict verdict : kVerdicts) {
        QPushButton *button = m_verdicts[verdict];
        button->setText(verdictText(verdict));
        button->setVisible(offered.contains(verdict));
        button->setChecked(voted != m_votes.constEnd() && *voted == verdict);
    }
    const bool otherFrames = std::ranges::any_of(m_columns,
        [this](const CompareColumn *column) { return column->latestBoxes() != m_columns.first()->latestBoxes(); });
    const QString difference = m_firstWord > 0 ? tr("First difference: word %1").arg(m_firstWord)
        : otherFrames                          ? tr("The words are the same, the frames are not")
                                               : tr("The answers are the same");
    const QString brief = m_firstWord > 0 ? tr("Word %1").arg(m_firstWord) : otherFrames ? tr("Other frames") : tr("The same");
    m_first->setText(width() < kNarrow ? brief : difference);
    m_first->setToolTip(difference);
    m_first->setAccessibleName(difference);
    m_reveal->setVisible(m_blind == Blind::Hidden);
    m_continue->setVisible(m_blind != Blind::Hidden); // the chat would name its model
}

void ComparePage::vote(Verdict verdict)
{
    if (m_comparison == 0 || m_turn < 0)
        return;
    m_votes[m_turn] = verdict;
    m_store.recordVote(m_comparison, m_turn, verdict);
    updateVerdicts();
}

// Where each column first leaves the others' words, marked and a third below the top of its column.
void ComparePage::showFirstDifference()
{
    if (m_firstWord == 0)
        return;
    m_diff->setChecked(true);
    const auto first = std::min_element(m_differences.begin() + 1, m_differences.end(), [](const WordDiff &a, const WordDiff &b) {
        return !a.isSame() && (b.isSame() || a.firstDifferentWord < b.firstDifferentWord);
    });
    const auto lengthAt = [](const QVector<WordSpan> &spans, int begin) {
        return !spans.isEmpty() && spans.first().begin == begin ? spans.first().length : 0;
    };
    m_linking = true; // each goes to its own place
    for (int i = 0; i < m_columns.size(); ++i) {
        const WordDiff &own = i == 0 ? *first : m_differences[i];
        const int begin = i == 0 ? own.firstLeft : own.isSame() ? first->firstLeft : own.firstRight;
        const int length = i > 0 && own.isSame() ? 0 : lengthAt(i == 0 ? own.left : own.right, begin);
        m_columns[i]->view().showText(m_columns[i]->latestMessage(), begin, length);
    }
    m_linking = false;
}

// The same share of the way in each column; long and short answers reach their ends together.
void ComparePage::link(const CompareColumn *scrolled)
{
    if (m_linking || !m_link->isChecked() || !m_columns.contains(scrolled))
        return;
    m_linking = true;
    const QScrollBar *from = const_cast<CompareColumn *>(scrolled)->view().verticalScrollBar();
    const double share = from->maximum() > 0 ? double(from->value()) / from->maximum() : 0;
    for (CompareColumn *column : std::as_const(m_columns)) {
        QScrollBar *bar = column->view().verticalScrollBar();
        if (column != scrolled && bar->maximum() > 0)
            bar->setValue(qRound(share * bar->maximum()));
    }
    m_linking = false;
}

// Nobody, not even who chose the models, knows which column is which.
void ComparePage::shuffleColumns()
{
    struct Choice {
        QString key;
        ColumnSettings settings;
    };
    QVector<Choice> choices;
    for (const CompareColumn *column : std::as_const(m_columns))
        choices += {column->modelKey(), column->settings()};
    std::shuffle(choices.begin(), choices.end(), *QRandomGenerator::global());
    for (int i = 0; i < m_columns.size(); ++i) {
        const QSignalBlocker quiet(m_columns[i]);
        m_columns[i]->setModelKey(choices[i].key);
        m_columns[i]->setSettings(choices[i].settings);
    }
}

void ComparePage::setBlind(Blind blind)
{
    const bool kept = m_comparison != 0 && blind != m_blind && m_opening == 0;
    m_blind = blind;
    m_blindButton->setChecked(blind == Blind::Hidden);
    for (CompareColumn *column : std::as_const(m_columns)) {
        column->setBlind(blind == Blind::Hidden);
        column->setNumbered(m_columns.size() > 2 || blind == Blind::Hidden);
    }
    if (kept)
        m_store.setBlind(m_comparison, blind);
    updateVerdicts();
}

void ComparePage::continueWith(CompareColumn *column)
{
    if (column->isBusy() || column->conversation() == 0)
        return;
    const QString title = m_title;
    m_store.loadConversation(column->conversation(), this, [this, title](const StoredConversation &from) {
        if (from.id == 0) {
            emit problem(tr("The comparison was not kept, so it cannot be continued in a chat."));
            return;
        }
        const RowId chat = m_store.createConversation(title, from.modelKey);
        RowId leaf = 0;
        for (const StoredMessage &message : from.path()) {
            if (!message.run) {
                leaf = m_store.addMessage(chat, leaf, message.role, message.parts);
                continue;
            }
            leaf = m_store.beginAnswer(chat, leaf, *message.run);
            for (const StoredPart &part : message.parts)
                m_store.appendAnswer(leaf, part.text, part.kind == PartKind::Thinking);
            m_store.finishAnswer(leaf, message.state, *message.run);
        }
        emit continueInChat(chat);
    });
}

void ComparePage::openComparison(RowId id)
{
    if (id == m_comparison)
        return;
    newComparison(); // running answers end here, and what they wrote is kept
    m_opening = id;
    m_store.loadComparison(id, this, [this, id](const StoredComparison &stored) {
        if (m_opening != id)
            return; // another one was asked for since
        m_opening = 0;
        if (stored.id == 0 || stored.columns.size() < 2) {
            emit problem(tr("This comparison could not be read."));
            return;
        }
        restore(stored);
    });
}

void ComparePage::restore(const StoredComparison &stored)
{
    setColumnCount(int(qMin<qsizetype>(stored.columns.size(), kMostColumns)));
    m_comparison = stored.id;
    m_title = stored.title;
    m_seed = stored.seed;
    m_seedLock->setChecked(stored.sameSeed);
    setBlind(stored.blind);
    for (int i = 0; i < m_columns.size(); ++i)
        m_columns[i]->restore(stored.columns[i]);
    m_turn = m_columns.first()->turns() - 1;
    for (const StoredVote &vote : stored.votes)
        m_votes[vote.turn] = vote.verdict;
    requestPictures(stored);
    QVector<QuestionStrip::Picture> shown;
    QString text;
    for (const StoredMessage &message : stored.columns.first().path()) {
        if (message.role != StoredRole::User)
            continue;
        text = message.text();
        shown.clear();
        for (const StoredPart &part : message.parts)
            if (part.kind == PartKind::Image)
                shown += {{}, part.name, QSize(part.width, part.height)};
    }
    m_question->setQuestion(text, shown);
    m_question->setPictureTokens(m_columns.first()->pictureTokens());
    updateQuestion();
    m_empty->setVisible(m_turn < 0);
    retranslate();
    onModelsChosen();
    updateDiff();
    emit sessionOpened(m_comparison);
}

void ComparePage::requestPictures(const StoredComparison &stored)
{
    QHash<QString, QString> names;
    for (const StoredConversation &column : stored.columns)
        for (const StoredMessage &message : column.messages)
            for (const StoredPart &part : message.parts)
                if (part.kind == PartKind::Image)
                    names.insert(part.sha256, part.name);
    for (auto name = names.cbegin(); name != names.cend(); ++name) {
        const QString sha256 = name.key();
        m_awaited += sha256;
        m_store.loadAttachment(sha256, this, [this, sha256, shown = name.value(), id = stored.id](const QByteArray &bytes) {
            if (id == m_comparison)
                m_pictures.insert(m_loader.loadBytes(bytes, shown), sha256);
        });
    }
}

void ComparePage::onPictureLoaded(quint64 number, const LoadedPicture &picture)
{
    const QString sha256 = m_pictures.take(number);
    if (sha256.isEmpty())
        return; // the composer's own
    m_awaited.remove(sha256);
    for (CompareColumn *column : std::as_const(m_columns))
        column->setPicture(sha256, picture);
    m_question->setThumbnail(picture.name, picture.thumbnail);
}

void ComparePage::onPictureFailed(quint64 number, const QString &name, const QString &sentence)
{
    const QString sha256 = m_pictures.take(number);
    if (!sha256.isEmpty() && m_awaited.remove(sha256))
        emit problem(tr("The picture %1 of this comparison is gone: %2").arg(name, sentence));
}

void ComparePage::retranslate()
{
    m_header->setTitle(m_title.isEmpty() ? tr("Compare") : m_title);
    const QString seed = m_seedLock->isChecked() ? tr("Same seed %1").arg(m_seed) : tr("Own seeds");
    m_seedLock->setText(width() >= kNarrow ? seed : m_seedLock->isChecked() ? QString::number(m_seed) : QStringLiteral("–"));
    m_seedLock->setAccessibleName(seed);
    m_seedLock->setToolTip(tr("Locked: both columns draw with the same random numbers, so differences come from the "
                              "models. It matters when the temperature is above 0."));
    m_diff->setText(width() < kTight ? QString() : tr("Mark differences"));
    m_diff->setToolTip(tr("Mark the words in which the answers differ"));
    m_diff->setAccessibleName(tr("Mark differences"));
    m_emptyText->setText(tr("Ask once and read the answers side by side. Choose a model for each column, or one model twice "
                            "with other settings; then vote, and go on with the one you like."));
    m_example->setText(tr("Try an example"));
    m_addColumn->setText(width() < kTight ? QString() : tr("Add column"));
    m_addColumn->setIcon(theme::icon(QStringLiteral("plus")));
    m_addColumn->setToolTip(tr("Add column"));
    m_addColumn->setAccessibleName(tr("Add column"));
    m_new->setText(tr("New"));
    m_new->setToolTip(tr("Begin a new comparison"));
    m_link->setText(width() < kTight ? QString() : tr("Link"));
    m_link->setToolTip(tr("Scroll the columns together"));
    m_link->setAccessibleName(m_link->toolTip());
    m_blindButton->setText(width() < kTight ? QString() : tr("Blind"));
    m_blindButton->setToolTip(tr("Hide which model is which until you have judged; the columns are shuffled"));
    m_blindButton->setAccessibleName(tr("Blind"));
    m_reveal->setText(tr("Reveal the models"));
    m_overlay->setLabel(tr("Drop pictures to ask all columns about them"));
    m_continue->setText(tr("Continue with"));
    m_where->setText(tr("Where"));
    m_where->setToolTip(tr("Have the models frame in the picture what you name"));
    const QString asked = m_turn < 0 ? tr("Drop a picture and ask: the models answer side by side")
                                     : tr("Ask on: each model remembers its own answers");
    m_composer->setPlaceholder(m_where->isChecked() ? tr("Name something in the picture: the red circle") : asked);
    expectPictures();
}

void ComparePage::updateQuestion()
{
    const bool isBelow = std::all_of(m_columns.cbegin(), m_columns.cend(), [](const CompareColumn *column) { return column->showsQuestions(); });
    const bool isShown = m_turn >= 0 && (height() >= kLow || !isBelow);
    m_question->setVisible(isShown);
    m_line->setVisible(isShown || m_turn < 0); // the header has its own
}

void ComparePage::refreshWhere()
{
    const bool possible = (m_composer->hasPictures() || m_columns.first()->hasPictures())
        && std::all_of(m_columns.cbegin(), m_columns.cend(), [this](const CompareColumn *column) {
               const ModelEntry *entry = m_library.find(column->modelKey());
               return entry != nullptr && entry->info.locates;
           });
    m_where->setVisible(possible);
    if (!possible)
        m_where->setChecked(false);
}

void ComparePage::expectPictures()
{
    const bool expected = m_turn < 0 && std::all_of(m_columns.cbegin(), m_columns.cend(), [this](const CompareColumn *column) {
        const ModelEntry *entry = m_library.find(column->modelKey());
        return entry != nullptr && entry->embedded && entry->info.readsPictures;
    });
    m_composer->setPicturesExpected(expected ? tr("These models answer questions about pictures only: add one first.") : QString());
}

void ComparePage::changeEvent(QEvent *event)
{
    QWidget::changeEvent(event);
    if (event->type() != QEvent::LanguageChange)
        return;
    retranslate();
    updateFit();
    updateDiff();
}

void ComparePage::keyPressEvent(QKeyEvent *event)
{
    if (event->key() == Qt::Key_Escape && isBusy())
        stop();
    else
        QWidget::keyPressEvent(event);
}

void ComparePage::resizeEvent(QResizeEvent *event)
{
    QWidget::resizeEvent(event);
    const auto room = [](int width) { return int(width < kNarrow) + int(width < kTight); };
    if (room(event->oldSize().width()) != room(width())) {
        retranslate();
        updateVerdicts();
    }
    updateQuestion();
}

} // namespace ui
