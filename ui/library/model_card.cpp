// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "library/model_card.h"

#include "services/load_offer_text.h"
#include "services/local_sentence.h"
#include "theme/style.h"
#include "widgets/elided_label.h"
#include "widgets/flow_layout.h"
#include "widgets/offer_list.h"
#include "widgets/role_label.h"

#include <QGridLayout>
#include <QHBoxLayout>
#include <QLocale>
#include <QProgressBar>
#include <QPushButton>
#include <QVBoxLayout>

#include <algorithm>

namespace ui {

namespace {

QString bytes(quint64 count)
{
    return QLocale().formattedDataSize(qint64(count), 1, QLocale::DataSizeSIFormat);
}

QString number(qint64 value)
{
    return QLocale().toString(value);
}

// 9.4 M, 671 B: as people say it.
QString parameters(quint64 count)
{
    const auto shown = [](double value, const QString &unit) {
        return QLocale().toString(value, 'f', value < 10 ? 1 : 0) + u' ' + unit;
    };
    if (count >= 1'000'000'000)
        return shown(double(count) / 1e9, QStringLiteral("B"));
    if (count >= 1'000'000)
        return shown(double(count) / 1e6, QStringLiteral("M"));
    return number(qint64(count));
}

} // namespace

ModelCard::ModelCard(const ModelEntry &entry, QWidget *parent) : Card(parent), m_entry(entry)
{
    setAccessibleName(entry.name);
    auto *column = new QVBoxLayout(this);
    column->setContentsMargins(20, 16, 16, 16);
    column->setSpacing(12);

    auto *head = new QHBoxLayout;
    head->setSpacing(8);
    auto *name = new RoleLabel(theme::Role::Text, entry.name);
    name->setPixelSize(theme::kTitlePixels, true);
    head->addWidget(name);
    auto *origin = new RoleLabel(theme::Role::Muted, entry.embedded ? tr("comes with Diptych") : tr("added from disk"));
    origin->setPixelSize(theme::kSmallPixels);
    head->addWidget(origin);
    head->addStretch(1);
    m_stateLabel = new RoleLabel(theme::Role::Muted);
    m_stateLabel->setPixelSize(theme::kSmallPixels);
    head->addWidget(m_stateLabel);
    m_loadButton = new QPushButton(tr("Load"));
    m_loadButton->setEnabled(entry.isUsable());
    connect(m_loadButton, &QPushButton::clicked, this, [this] {
        const bool on = m_state == EngineService::LoadState::Loaded || m_state == EngineService::LoadState::Loading;
        on ? emit unloadRequested(m_entry.key) : emit loadRequested(m_entry.key);
    });
    head->addWidget(m_loadButton);
    m_detailsButton = new QPushButton(tr("Details"));
    m_detailsButton->setCheckable(true);
    theme::setKind(m_detailsButton, theme::Kind::Quiet);
    m_detailsButton->setVisible(entry.inspected);
    connect(m_detailsButton, &QPushButton::toggled, this, &ModelCard::setDetailsShown);
    head->addWidget(m_detailsButton);
    if (!entry.embedded) {
        auto *remove = new QPushButton(tr("Remove"));
        remove->setToolTip(tr("Takes it off this list; the files stay where they are."));
        theme::setKind(remove, theme::Kind::Danger);
        connect(remove, &QPushButton::clicked, this, [this] { emit removeRequested(m_entry.key); });
        head->addWidget(remove);
    }
    column->addLayout(head);

    if (entry.inspected) {
        const engine::ModelInfo &info = entry.info;
        auto *facts = new FlowLayout(28, 10);
        addFact(facts, tr("Architecture"), QString::fromStdString(info.architecture));
        addFact(facts, tr("Parameters"), info.activeParameters != 0 && info.activeParameters < info.parameters
                ? tr("%1, %2 active").arg(parameters(info.parameters), parameters(info.activeParameters))
                : parameters(info.parameters));
        addFact(facts, tr("Precision"), entry.precisionName());
        addFact(facts, tr("On disk"), bytes(info.fileBytes));
        m_memoryLabel = addFact(facts, tr("Memory"), tr("about %1").arg(bytes(entry.memoryBytes(0))),
            tr("Estimate: weights and the cache of a full context."));
        addFact(facts, tr("Context"), tr("%1 tokens").arg(number(info.contextTokens)));
        addFact(facts, tr("Pictures"), info.readsPictures ? tr("reads them") : tr("no"));
        column->addLayout(facts);
    }

    m_progress = new QProgressBar;
    m_progress->setTextVisible(false);
    m_progress->setFixedHeight(4);
    m_progress->setRange(0, 1000);
    m_progress->hide();
    column->addWidget(m_progress);
    m_problem = new RoleLabel(theme::Role::Error);
    m_problem->setWordWrap(true);
    column->addWidget(m_problem);
    m_offers = new OfferList;
    m_offers->setAccessibleName(tr("Ways to load %1 that work").arg(entry.name));
    connect(m_offers, &OfferList::chosen, this, [this](int index) {
        m_loadButton->setFocus(); // the button that has it goes
        emit offerChosen(m_entry.key, index);
    });
    column->addWidget(m_offers);
    m_choice = new QWidget;
    auto *choice = new QHBoxLayout(m_choice);
    choice->setContentsMargins(0, 0, 0, 0);
    choice->setSpacing(8);
    m_choiceLabel = new RoleLabel(theme::Role::Muted);
    m_choiceLabel->setPixelSize(theme::kSmallPixels);
    m_choiceLabel->setWordWrap(true);
    choice->addWidget(m_choiceLabel, 1);
    auto *back = new QPushButton(tr("Back to the settings"));
    back->setToolTip(tr("Loads it again as Settings say."));
    theme::setKind(back, theme::Kind::Quiet);
    connect(back, &QPushButton::clicked, this, [this] { emit forgetChoiceRequested(m_entry.key); });
    choice->addWidget(back);
    m_choice->hide();
    column->addWidget(m_choice);
    setState(EngineService::LoadState::NotLoaded, 0, {}, {});
}

RoleLabel *ModelCard::addFact(QLayout *facts, const QString &name, const QString &value, const QString &tip)
{
    auto *pair = new QWidget;
    auto *column = new QVBoxLayout(pair);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(2);
    auto *title = new RoleLabel(theme::Role::Muted, name);
    title->setPixelSize(theme::kSmallPixels);
    auto *content = new RoleLabel(theme::Role::Text, value);
    content->setToolTip(tip);
    // One height for every script: a line of Chinese asks for more than one of Latin, and the baselines would part.
    for (RoleLabel *label : {title, content}) {
        label->setFixedHeight(label->fontMetrics().boundingRect(QStringLiteral("架Ag")).height());
        column->addWidget(label);
    }
    facts->addWidget(pair);
    m_facts += pair;
    return content;
}

void ModelCard::alignFacts(const QVector<ModelCard *> &cards)
{
    for (qsizetype i = 0;; ++i) {
        QVector<QWidget *> same;
        for (const ModelCard *card : cards)
            if (i < card->m_facts.size())
                same += card->m_facts[i];
        if (same.isEmpty())
            return;
        int width = 0;
        for (QWidget *fact : same)
            width = std::max(width, fact->layout()->sizeHint().width());
        for (QWidget *fact : same)
            fact->setMinimumWidth(width);
    }
}

QWidget *ModelCard::makeDetails()
{
    const engine::ModelInfo &info = m_entry.info;
    auto *details = new QWidget;
    auto *grid = new QGridLayout(details);
    grid->setContentsMargins(0, 4, 0, 0);
    grid->setHorizontalSpacing(20);
    grid->setVerticalSpacing(6);
    int row = 0;
    const auto add = [&](const QString &name, const QString &value) {
        if (value.isEmpty())
            return;
        auto *title = new RoleLabel(theme::Role::Muted, name);
        auto *content = new ElidedLabel(value);
        content->setMode(Qt::ElideMiddle);
        grid->addWidget(title, row, 0);
        grid->addWidget(content, row++, 1);
    };
    add(tr("Path"), m_entry.path);
    add(tr("Format"), QString::fromStdString(info.format));
    add(tr("Layers"), tr("%1, hidden size %2").arg(number(info.layers), number(info.hiddenSize)));
    add(tr("Vocabulary"), tr("%1 tokens").arg(number(info.vocabularySize)));
    if (info.routedExperts > 0)
        add(tr("Experts"), tr("%1, of which %2 work on each token")
                .arg(number(info.routedExperts), number(info.expertsPerToken)));
    add(tr("Conversation format"), QString::fromStdString(info.chatFormat));
    add(tr("Thinking"), info.thinks ? tr("thinks before it answers") : tr("answers directly"));
    add(tr("Context cache"), tr("%1 a token").arg(bytes(info.kvBytesPerToken)));
    if (!m_entry.requantize.isEmpty())
        add(tr("Re-quantised"), tr("weights are packed to 4 bits when it is loaded; the files are those of the model above"));
    for (const std::string &warning : info.warnings)
        add(tr("Note"), QString::fromStdString(warning));
    grid->setColumnStretch(1, 1);
    return details;
}

void ModelCard::setDetailsShown(bool shown)
{
    if (shown && m_details == nullptr) {
        m_details = makeDetails();
        layout()->addWidget(m_details);
    }
    if (m_details != nullptr)
        m_details->setVisible(shown);
    m_detailsButton->setChecked(shown);
}

void ModelCard::setOffers(const std::vector<engine::LoadOffer> &offers)
{
    QVector<OfferList::Offer> list;
    for (const engine::LoadOffer &offer : offers) {
        const LoadOfferText text = textOf(offer);
        list += {text.action, text.numbers};
    }
    m_offers->setOffers(list);
}

void ModelCard::setChoice(const QString &choice)
{
    m_choiceLabel->setText(choice.isEmpty() ? QString() : tr("Loaded otherwise than Settings say: %1").arg(choice));
    m_choice->setVisible(!choice.isEmpty());
}

void ModelCard::setState(EngineService::LoadState state, double share, const QString &error,
    const std::optional<engine::LoadedModel> &loaded)
{
    using State = EngineService::LoadState;
    m_state = state;
    m_progress->setVisible(state == State::Loading);
    m_progress->setValue(int(share * 1000));
    switch (state) {
    case State::Loaded:
        m_stateLabel->setRole(theme::Role::Ok);
        m_stateLabel->setText(tr("● Loaded"));
        m_loadButton->setText(tr("Unload"));
        break;
    case State::Loading:
        m_stateLabel->setRole(theme::Role::Muted);
        m_stateLabel->setText(tr("Loading, %1 %").arg(int(share * 100)));
        m_loadButton->setText(tr("Cancel"));
        break;
    case State::Failed:
        m_stateLabel->setRole(theme::Role::Error);
        m_stateLabel->setText(tr("Could not be loaded"));
        m_loadButton->setText(tr("Try again"));
        break;
    case State::NotLoaded:
        m_stateLabel->setRole(theme::Role::Muted);
        m_stateLabel->setText(m_entry.isUsable() ? tr("Not loaded") : tr("Cannot be used"));
        m_loadButton->setText(tr("Load"));
        break;
    }
    const QString problem = localSentence((error.isEmpty() ? m_entry.problem : error).toStdString());
    m_problem->setText(problem);
    m_problem->setVisible(!problem.isEmpty());
    if (m_memoryLabel != nullptr && loaded) {
        m_memoryLabel->setText(bytes(loaded->memory.weightBytes + loaded->memory.kvBytes));
        m_memoryLabel->setToolTip(tr("Read from the engine: weights %1, context cache %2.")
                .arg(bytes(loaded->memory.weightBytes), bytes(loaded->memory.kvBytes)));
    } else if (m_memoryLabel != nullptr) {
        m_memoryLabel->setText(tr("about %1").arg(bytes(m_entry.memoryBytes(0))));
        m_memoryLabel->setToolTip(tr("Estimate: weights and the cache of a full context."));
    }
}

} // namespace ui
