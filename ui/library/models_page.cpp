// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "library/models_page.h"

#include "library/model_card.h"
#include "services/load_offer_text.h"
#include "services/local_sentence.h"
#include "services/settings.h"
#include "theme/style.h"
#include "widgets/page_header.h"
#include "widgets/role_label.h"

#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFileDialog>
#include <QMimeData>
#include <QPushButton>
#include <QScrollArea>
#include <QUrl>
#include <QVBoxLayout>

#include <utility>

namespace ui {

namespace {
constexpr int kMaxWidth = 980;
}

ModelsPage::ModelsPage(EngineService &engine, ModelLibrary &library, Settings &settings, QWidget *parent)
    : QWidget(parent), m_engine(engine), m_library(library), m_settings(settings), m_header(new PageHeader),
      m_add(new QPushButton), m_addFile(new QPushButton), m_error(new RoleLabel(theme::Role::Error)),
      m_hint(new RoleLabel(theme::Role::Muted))
{
    setAcceptDrops(true);
    auto *page = new QVBoxLayout(this);
    page->setContentsMargins(0, 0, 0, 0);
    page->setSpacing(0);
    m_header->addRight(m_add);
    m_header->addRight(m_addFile);
    page->addWidget(m_header);
    connect(m_add, &QPushButton::clicked, this, &ModelsPage::chooseFolder);
    connect(m_addFile, &QPushButton::clicked, this, &ModelsPage::chooseFile);

    auto *scroll = new QScrollArea;
    scroll->setObjectName(QStringLiteral("models"));
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto *content = new QWidget;
    auto *centre = new QHBoxLayout(content);
    centre->setContentsMargins(20, 20, 20, 20);
    auto *column = new QWidget;
    column->setMaximumWidth(kMaxWidth);
    centre->addWidget(column, 1);
    auto *whole = new QVBoxLayout(column);
    whole->setContentsMargins(0, 0, 0, 0);
    whole->setSpacing(12);
    m_error->setWordWrap(true);
    m_error->hide();
    m_error->setAccessibleName(tr("What went wrong"));
    m_hint->setWordWrap(true);
    whole->addWidget(m_error);
    m_list = new QVBoxLayout;
    m_list->setSpacing(12);
    whole->addLayout(m_list);
    whole->addWidget(m_hint);
    whole->addStretch(1);
    scroll->setWidget(content);
    page->addWidget(scroll, 1);

    connect(&m_library, &ModelLibrary::entriesChanged, this, &ModelsPage::rebuild);
    connect(&m_engine, &EngineService::loadStateChanged, this, &ModelsPage::refreshStates);
    connect(&m_engine, &EngineService::modelsChanged, this, &ModelsPage::refreshStates);
    connect(&m_library, &ModelLibrary::choiceChanged, this, &ModelsPage::refreshStates);
    connect(&m_settings, &Settings::engineChanged, this, &ModelsPage::refreshStates);
    retranslate();
}

void ModelsPage::retranslate()
{
    m_header->setTitle(tr("Models"));
    findChild<QScrollArea *>(QStringLiteral("models"))->setAccessibleName(tr("Models"));
    m_add->setText(tr("Add a folder…"));
    m_add->setToolTip(tr("A folder in Hugging Face layout: config.json, safetensors, tokenizer.json."));
    m_addFile->setText(tr("Add a .gguf file…"));
    m_hint->setText(tr("Models are read where they lie; nothing is copied and nothing is sent. You can also drop a folder "
                       "or a .gguf file here."));
    rebuild();
}

void ModelsPage::rebuild()
{
    for (ModelCard *card : std::exchange(m_cards, {}))
        card->deleteLater(); // it may be the one whose button was pressed
    while (QLayoutItem *item = m_list->takeAt(0)) {
        if (item->widget() != nullptr)
            item->widget()->hide();
        delete item;
    }
    for (const ModelEntry &entry : m_library.entries()) {
        auto *card = new ModelCard(entry);
        connect(card, &ModelCard::loadRequested, this,
            [this](const QString &key) { m_engine.load(m_library.loadOptions(key)); });
        connect(card, &ModelCard::unloadRequested, this,
            [this](const QString &key) { m_engine.unload(m_library.loadOptions(key)); });
        connect(card, &ModelCard::removeRequested, this, &ModelsPage::removeModel);
        connect(card, &ModelCard::offerChosen, this, &ModelsPage::takeOffer);
        connect(card, &ModelCard::forgetChoiceRequested, this, [this](const QString &key) {
            m_engine.unload(m_library.loadOptions(key));
            m_library.forgetChoice(key);
        });
        m_list->addWidget(card);
        m_cards += card;
    }
    refreshStates();
}

void ModelsPage::refreshStates()
{
    const std::vector<engine::LoadedModel> loaded = m_engine.models();
    for (ModelCard *card : std::as_const(m_cards)) {
        const engine::LoadOptions options = m_library.loadOptions(card->key());
        const QString key = EngineService::loadKey(options);
        std::optional<engine::LoadedModel> own;
        for (const engine::LoadedModel &model : loaded)
            if (EngineService::loadKey(model.options) == key)
                own = model;
        card->setState(m_engine.loadState(options), m_engine.loadShare(options), m_engine.loadError(options), own);
        card->setOffers(m_engine.offers(options));
        const ModelEntry *entry = m_library.find(card->key());
        card->setChoice(entry != nullptr && m_library.hasChoice(card->key()) ? textOf(options, entry->info.layers) : QString());
    }
    ModelCard::alignFacts(m_cards);
}

void ModelsPage::takeOffer(const QString &key, int index)
{
    const std::vector<engine::LoadOffer> offers = m_engine.offers(m_library.loadOptions(key));
    if (index < 0 || index >= int(offers.size()))
        return;
    m_library.setChoice(key, offers[std::size_t(index)].options);
    m_engine.load(m_library.loadOptions(key));
}

void ModelsPage::removeModel(const QString &key)
{
    m_engine.unload(m_library.loadOptions(key));
    m_library.remove(key);
}

void ModelsPage::chooseFolder()
{
    const QString path = QFileDialog::getExistingDirectory(this, tr("Add a model folder"));
    if (!path.isEmpty())
        addFromDisk(path);
}

void ModelsPage::chooseFile()
{
    const QString path = QFileDialog::getOpenFileName(this, tr("Add a model file"), {}, tr("GGUF models (*.gguf)"));
    if (!path.isEmpty())
        addFromDisk(path);
}

bool ModelsPage::addFromDisk(const QString &path)
{
    const engine::Result<QString> added = m_library.add(path);
    say(added.ok() ? QString()
                   : tr("%1 was not added: %2").arg(path, localSentence(added.error().message)));
    return added.ok();
}

void ModelsPage::say(const QString &error)
{
    m_error->setText(error);
    m_error->setVisible(!error.isEmpty());
}

void ModelsPage::changeEvent(QEvent *event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

void ModelsPage::dragEnterEvent(QDragEnterEvent *event)
{
    const QList<QUrl> urls = event->mimeData()->urls();
    if (!urls.isEmpty() && urls.first().isLocalFile())
        event->acceptProposedAction();
}

void ModelsPage::dropEvent(QDropEvent *event)
{
    const QList<QUrl> urls = event->mimeData()->urls();
    for (const QUrl &url : urls)
        if (url.isLocalFile() && !addFromDisk(url.toLocalFile()))
            break; // the sentence is about this one
    event->acceptProposedAction();
}

} // namespace ui
