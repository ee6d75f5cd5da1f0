// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "chat/chat_page.h"

#include "chat/composer.h"
#include "chat/drop_overlay.h"
#include "chat/empty_chat.h"
#include "chat/model_button.h"
#include "chat/offer_bar.h"
#include "chat/parameters_popover.h"
#include "chat/running_answer.h"
#include "services/engine_service.h"
#include "services/local_sentence.h"
#include "services/model_library.h"
#include "services/settings.h"
#include "storage/conversation_store.h"
#include "theme/icons.h"
#include "theme/style.h"
#include "transcript/transcript_view.h"
#include "widgets/page_header.h"
#include "widgets/picture_viewer.h"
#include "widgets/role_label.h"

#include <QDesktopServices>
#include <QFileDialog>
#include <QKeyEvent>
#include <QLabel>
#include <QPushButton>
#include <QSaveFile>
#include <QStackedWidget>
#include <QUrl>
#include <QVBoxLayout>

namespace ui {

ChatPage::ChatPage(EngineService &engine, ModelLibrary &library, ConversationStore &store, ImageLoader &loader, Settings &settings,
    QWidget *parent)
    : QWidget(parent), m_engine(engine), m_library(library), m_store(store), m_loader(loader), m_settings(settings)
{
    auto *column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    m_header = new PageHeader(QString(), this);
    m_model = new ModelButton(engine, library, m_header);
    m_parameters = new QPushButton(m_header);
    m_parameters->setIcon(theme::icon(QStringLiteral("sliders")));
    m_export = new QPushButton(m_header);
    m_export->setIcon(theme::icon(QStringLiteral("export")));
    m_header->addRight(m_model);
    m_header->addRight(m_parameters);
    m_header->addRight(m_export);
    column->addWidget(m_header);

    m_stack = new QStackedWidget(this);
    m_empty = new EmptyChat(m_stack);
    m_view = new TranscriptView(m_stack);
    m_stack->addWidget(m_empty);
    m_stack->addWidget(m_view);
    column->addWidget(m_stack, 1);

    auto *bottom = new QVBoxLayout;
    bottom->setContentsMargins(16, 4, 16, 16);
    bottom->setSpacing(6);
    m_offerBar = new OfferBar(engine, library, this);
    m_offerBar->setMaximumWidth(theme::kReadingWidth + 40);
    m_editBar = new QWidget(this);
    auto *editRow = new QHBoxLayout(m_editBar);
    editRow->setContentsMargins(8, 0, 0, 0);
    m_editLabel = new QLabel(m_editBar);
    m_editCancel = new QPushButton(m_editBar);
    theme::setKind(m_editCancel, theme::Kind::Quiet);
    editRow->addWidget(m_editLabel);
    editRow->addStretch(1);
    editRow->addWidget(m_editCancel);
    m_editBar->setVisible(false);
    m_editBar->setMaximumWidth(theme::kReadingWidth + 40);
    m_composer = new Composer(loader, this);
    m_composer->setMaximumWidth(theme::kReadingWidth + 40);
    m_where = new QPushButton(m_composer);
    m_where->setCheckable(true);
    m_where->setIcon(theme::icon(QStringLiteral("where")));
    m_composer->addTool(m_where);
    auto *centred = new QVBoxLayout;
    centred->setSpacing(6);
    centred->addWidget(m_offerBar);
    centred->addWidget(m_editBar);
    centred->addWidget(m_composer);
    auto *row = new QHBoxLayout;
    row->addStretch(1);
    row->addLayout(centred, 1000);
    row->addStretch(1);
    bottom->addLayout(row);
    column->addLayout(bottom);
    m_overlay = new DropOverlay(this, m_composer);

    connect(m_composer, &Composer::sendRequested, this, &ChatPage::onSend);
    connect(m_composer, &Composer::stopRequested, this, &ChatPage::stop);
    connect(m_composer, &Composer::thinkToggled, this, [this](bool on) {
        ChatParameters parameters = m_session->parameters();
        parameters.think = on;
        m_session->setParameters(parameters);
    });
    connect(m_where, &QPushButton::toggled, this, [this](bool on) {
        m_composer->setPlaceholder(on ? tr("Name something in the picture: the red circle") : QString());
        m_composer->takeFocus();
    });
    connect(m_composer, &Composer::contentChanged, this, &ChatPage::refreshWhere);
    connect(m_empty, &EmptyChat::exampleRequested, this, &ChatPage::askExample);
    connect(m_view, &TranscriptView::regenerateRequested, this, &ChatPage::regenerate);
    connect(m_view, &TranscriptView::editRequested, this, &ChatPage::beginEdit);
    connect(m_view, &TranscriptView::copied, this, &ChatPage::statusMessage);
    connect(m_view, &TranscriptView::pictureActivated, this, [this](qint64 message, int index) {
        PictureViewer::open(window(), m_session->picture(message, index), {});
    });
    connect(m_view, &TranscriptView::linkActivated, this, [](const QString &target) {
        const QUrl url(target);
        if (url.scheme() == QLatin1String("https") || url.scheme() == QLatin1String("http") || url.scheme() == QLatin1String("mailto"))
            QDesktopServices::openUrl(url);
    });
    connect(m_offerBar, &OfferBar::taken, this, &ChatPage::onOfferTaken);
    connect(m_editCancel, &QPushButton::clicked, this, [this] {
        endEdit();
        m_composer->clear();
    });
    connect(m_model, &ModelButton::keyChosen, this, [this](const QString &key) {
        m_session->setModelKey(key);
        m_settings.setValue(QStringLiteral("chat/model"), key);
    });
    connect(m_model, &ModelButton::manageRequested, this, &ChatPage::manageModelsRequested);
    connect(m_parameters, &QPushButton::clicked, this, [this] {
        if (!m_popover) {
            m_popover = new ParametersPopover(this);
            connect(m_popover, &ParametersPopover::parametersChanged, this, [this](const ChatParameters &parameters) {
                m_session->setParameters(parameters);
                m_settings.setValue(QStringLiteral("chat/parameters"), parameters.toJson());
            });
        }
        m_popover->popUp(m_session->parameters(), m_parameters);
    });
    connect(m_export, &QPushButton::clicked, this, &ChatPage::exportMarkdown);
    connect(&engine, &EngineService::modelsChanged, this, &ChatPage::refresh);
    connect(&library, &ModelLibrary::entriesChanged, this, &ChatPage::refresh);
    retranslate();
    newChat();
}

ChatPage::~ChatPage()
{
    m_view->setModel(nullptr);
}

qint64 ChatPage::currentConversation() const
{
    return m_session ? m_session->conversation() : 0;
}

ChatSession *ChatPage::makeSession()
{
    auto *session = new ChatSession(m_engine, m_library, m_store, m_loader, this);
    connect(session, &ChatSession::changed, this, [this, session] {
        if (session == m_session) {
            refresh();
        } else if (!session->isRunning() && m_sessions.value(session->conversation()) == session) {
            // It finished out of sight. One that is only being made is not in the list yet.
            m_sessions.remove(session->conversation());
            session->deleteLater();
        }
    });
    connect(session, &ChatSession::conversationCreated, this, [this, session](qint64 id) {
        m_sessions.insert(id, session);
        if (session == m_session)
            emit currentChanged(id);
    });
    connect(session, &ChatSession::answerFinished, this, &ChatPage::statusMessage);
    connect(session, &ChatSession::problem, this, &ChatPage::statusMessage);
    return session;
}

void ChatPage::show(ChatSession *session)
{
    endEdit();
    ChatSession *old = m_session;
    m_session = session;
    m_view->setModel(session->messages());
    if (old && old != session && !old->isRunning()) {
        m_sessions.remove(old->conversation());
        old->deleteLater();
    }
    refresh();
    m_composer->takeFocus();
    emit currentChanged(session->conversation());
}

void ChatPage::newChat()
{
    m_wanted = 0;
    if (m_session && m_session->isEmpty() && m_session->conversation() == 0) {
        m_composer->takeFocus();
        emit currentChanged(0);
        return;
    }
    ChatSession *session = makeSession();
    const QString key = m_settings.value(QStringLiteral("chat/model")).toString();
    const ModelEntry *entry = m_library.find(key);
    if (entry && entry->isUsable())
        session->setModelKey(key);
    session->setParameters(ChatParameters::fromJson(m_settings.value(QStringLiteral("chat/parameters")).toString()));
    show(session);
}

void ChatPage::openConversation(qint64 id, qint64 message)
{
    m_wanted = 0;
    if (ChatSession *running = m_sessions.value(id)) {
        if (running != m_session)
            show(running);
        if (message)
            m_view->scrollToMessage(message);
        return;
    }
    m_wanted = id;
    m_store.loadConversation(id, this, [this, id, message](const StoredConversation &stored) {
        if (m_wanted != id)
            return; // another one was asked for meanwhile
        m_wanted = 0;
        if (stored.id == 0) {
            emit statusMessage(tr("This conversation could not be read."));
            return;
        }
        ChatSession *session = makeSession();
        session->restore(stored);
        m_sessions.insert(id, session);
        m_composer->clear();
        show(session);
        if (message)
            m_view->scrollToMessage(message);
    });
}

void ChatPage::forget(qint64 id)
{
    if (m_session->conversation() == id) {
        m_sessions.remove(id);
        m_session->disconnect(this);
        ChatSession *old = std::exchange(m_session, nullptr);
        m_view->setModel(nullptr);
        delete old;
        newChat();
    } else if (ChatSession *hidden = m_sessions.take(id)) {
        hidden->disconnect(this);
        hidden->deleteLater();
    }
}

void ChatPage::setTitleOf(qint64 id, const QString &title)
{
    if (ChatSession *session = m_sessions.value(id))
        session->rename(title);
}

void ChatPage::openPicture(const QString &path)
{
    m_composer->addFile(path);
}

void ChatPage::ask(const QString &question)
{
    m_composer->setText(question);
    m_composer->send();
}

void ChatPage::askExample(const QString &picture, const QString &question)
{
    m_composer->clear();
    m_composer->addFile(picture);
    m_composer->setText(question);
    m_composer->send(); // goes out when the picture is read
}

void ChatPage::onSend(const QString &text, const QVector<LoadedPicture> &pictures)
{
    if (m_session->isRunning())
        return;
    const qint64 editing = m_editing;
    const bool where = m_where->isChecked();
    endEdit();
    m_composer->clear();
    m_where->setChecked(false);
    if (editing)
        m_session->askInstead(editing, text, pictures, where);
    else
        m_session->ask(text, pictures, where);
    refresh();
}

// Loads the model so, and asks again what was left without a word of an answer.
void ChatPage::onOfferTaken()
{
    const MessageModel *messages = m_session->messages();
    const int last = messages->count() - 1;
    const bool isUnanswered = !m_session->isRunning() && last >= 0 && messages->at(last).phase == AnswerPhase::Failed
        && messages->source(last, PartId::Answer).isEmpty();
    if (isUnanswered)
        m_session->regenerate();
    else
        m_engine.load(m_library.loadOptions(m_session->modelKey()));
    m_composer->takeFocus(); // the button that had it is gone
}

void ChatPage::stop()
{
    m_session->stop();
}

void ChatPage::regenerate()
{
    m_session->regenerate();
}

void ChatPage::editLast()
{
    MessageModel *messages = m_session->messages();
    for (int index = messages->count() - 1; index >= 0; --index) {
        if (messages->at(index).author == Author::User) {
            beginEdit(messages->at(index).id);
            return;
        }
    }
}

void ChatPage::beginEdit(qint64 message)
{
    if (m_session->isRunning())
        return;
    const ChatSession::Question question = m_session->question(message);
    m_editing = message;
    m_editBar->setVisible(true);
    m_composer->setText(question.text);
    m_composer->setPictures(question.pictures);
    m_where->setChecked(question.asksWhere);
    m_composer->takeFocus();
}

void ChatPage::endEdit()
{
    m_editing = 0;
    m_editBar->setVisible(false);
}

void ChatPage::exportMarkdown()
{
    const qint64 id = m_session->conversation();
    if (id == 0)
        return;
    m_store.exportMarkdown(ConversationKind::Chat, id, this, [this, title = m_session->title()](const QString &text) {
        QString name = title;
        for (QChar &character : name) {
            if (QStringLiteral("/\\:*?\"<>|\n").contains(character))
                character = u' ';
        }
        const QString path = QFileDialog::getSaveFileName(window(), tr("Export as Markdown"), name.simplified() + QStringLiteral(".md"),
            tr("Markdown (*.md)"));
        if (path.isEmpty())
            return;
        QSaveFile file(path);
        const bool written = file.open(QIODevice::WriteOnly) && file.write(text.toUtf8()) >= 0 && file.commit();
        emit statusMessage(written ? tr("Exported to %1").arg(path) : tr("%1 could not be written: %2").arg(path, file.errorString()));
    });
}

void ChatPage::refresh()
{
    if (!m_session)
        return;
    const bool running = m_session->isRunning();
    m_header->setTitle(m_session->title().isEmpty() ? tr("New chat") : m_session->title());
    m_stack->setCurrentWidget(m_session->isEmpty() ? static_cast<QWidget *>(m_empty) : m_view);
    m_model->setKey(m_session->modelKey());
    m_export->setEnabled(!m_session->isEmpty());
    m_composer->setBusy(running);
    m_view->setBusy(running);
    const ModelEntry *entry = m_library.find(m_session->modelKey());
    const bool thinks = entry && entry->inspected && entry->info.thinks;
    m_composer->setThinkVisible(thinks);
    m_composer->setThinkOn(m_session->parameters().think);
    const bool pictures = !entry || !entry->inspected || entry->info.readsPictures;
    m_composer->setPicturesAllowed(pictures,
        tr("%1 reads no pictures. Choose a model that does, such as mini-vl.").arg(m_library.nameOf(m_session->modelKey())));
    // The small models in the box have learnt nothing but pictures; what they say without one makes no sense.
    const bool needsPicture = entry && entry->embedded && entry->info.readsPictures && !m_session->hasPictures();
    m_composer->setPicturesExpected(needsPicture ? tr("%1 answers questions about pictures only: add one first.").arg(entry->name) : QString());
    int context = entry && entry->inspected ? entry->info.contextTokens : 0;
    for (const engine::LoadedModel &loaded : m_engine.models()) {
        if (entry && QString::fromStdString(loaded.options.path) == entry->path && loaded.contextTokens > 0)
            context = loaded.contextTokens;
    }
    m_composer->setContextUse(m_session->usedTokens(), m_session->usedTokens() > 0 ? context : 0);
    refreshWhere();
    m_offerBar->setModel(m_session->modelKey());
}

void ChatPage::refreshWhere()
{
    if (!m_session)
        return;
    const ModelEntry *entry = m_library.find(m_session->modelKey());
    const bool possible = entry && entry->info.locates && (m_composer->hasPictures() || m_session->hasPictures());
    m_where->setVisible(possible);
    if (!possible)
        m_where->setChecked(false);
}

void ChatPage::retranslate()
{
    m_parameters->setToolTip(tr("Temperature, seed, system prompt and more"));
    m_parameters->setAccessibleName(tr("Parameters"));
    m_where->setText(tr("Where"));
    m_where->setToolTip(tr("Have the model frame in the picture what you name"));
    m_export->setText(tr("Export"));
    m_export->setAccessibleName(tr("Export"));
    m_export->setToolTip(tr("Save this conversation as Markdown"));
    m_editLabel->setText(tr("Editing your question. Sending it starts a new branch; the old one is kept."));
    m_editCancel->setText(tr("Cancel"));
    m_overlay->setLabel(tr("Drop pictures here to ask about them"));
}

void ChatPage::changeEvent(QEvent *event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange) {
        retranslate();
        refresh();
        if (m_popover)
            m_popover->deleteLater();
        m_popover = nullptr;
    }
}

void ChatPage::resizeEvent(QResizeEvent *event)
{
    QWidget::resizeEvent(event);
    m_export->setText(width() < 700 ? QString() : tr("Export"));
}

void ChatPage::keyPressEvent(QKeyEvent *event)
{
    if (event->key() == Qt::Key_Escape && m_session->isRunning()) {
        stop();
    } else if (event->key() == Qt::Key_Escape && m_editing) {
        endEdit();
        m_composer->clear();
    } else {
        QWidget::keyPressEvent(event);
    }
}

} // namespace ui
