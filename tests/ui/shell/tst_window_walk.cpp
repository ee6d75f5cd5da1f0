// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// The real window with the real engine and the embedded model: drop a picture, ask, read, restart, find it again.
#include "application.h"

#include "chat/chat_page.h"
#include "chat/composer.h"
#include "chat/empty_chat.h"
#include "services/settings.h"
#include "shell/main_window.h"
#include "shell/session_list.h"
#include "storage/conversation_store.h"
#include "transcript/transcript_view.h"

#include <QAccessible>
#include <QApplication>
#include <QDir>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QMimeData>
#include <QPushButton>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>
#include <QTextEdit>
#include <QUrl>

using namespace ui;

class TestWindowWalk : public QObject
{
    Q_OBJECT

private slots:
    void aDroppedPictureIsAskedAnsweredKeptAndFound();
    void whatIsNamedIsFramedAndFramedAgainLater();
    void everyPageOpensInBothLanguagesAndThemes();
    void theEmptyPageShowsWhatFitsWhole();
    void anEmptyQuestionIsNotSent();
    void aFileThatIsNoPictureSaysSo();
    void anAnswerCutOffByACrashIsThereAndMarked();
    void aHistoryThatCannotBeUsedIsSaidInTheWindowsLanguage_data();
    void aHistoryThatCannotBeUsedIsSaidInTheWindowsLanguage();
    void everyFocusableHasAName();

private:
    std::unique_ptr<app::Application> start()
    {
        return std::make_unique<app::Application>(*qApp, engine::Runtime::create(), m_folder.filePath(QStringLiteral("settings.ini")),
            m_folder.filePath(QStringLiteral("data")));
    }
    static void drop(ChatPage *page, const QString &path)
    {
        QMimeData data;
        data.setUrls({QUrl::fromLocalFile(path)});
        QDragEnterEvent enter(QPoint(200, 200), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(page, &enter);
        QVERIFY(enter.isAccepted());
        QDropEvent event(QPointF(200, 200), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(page, &event);
        QVERIFY(event.isAccepted());
    }
    const QString m_picture = QStringLiteral(DIPTYCH_SOURCE_DIR "/resources/pictures/shapes.png");
    QTemporaryDir m_folder;
};

void TestWindowWalk::aDroppedPictureIsAskedAnsweredKeptAndFound()
{
    const QString question = QStringLiteral("How many shapes are in the picture?");
    QString answer;
    {
        const auto application = start();
        MainWindow &window = application->window();
        window.show();
        QVERIFY(QTest::qWaitForWindowExposed(&window));
        ChatPage *chat = window.chatPage();
        drop(chat, m_picture);
        QTRY_COMPARE(chat->composer()->pictures().size(), 1);
        auto *text = chat->composer()->findChild<QTextEdit *>();
        QVERIFY(text);
        QTest::keyClicks(text, question);
        QTest::keyClick(text, Qt::Key_Return);
        QTRY_COMPARE(chat->session()->messages()->count(), 2);
        QTRY_VERIFY_WITH_TIMEOUT(!chat->session()->isRunning(), 25000);
        const Message &message = chat->session()->messages()->at(1);
        QVERIFY2(message.phase == AnswerPhase::Done, qPrintable(message.error));
        answer = chat->session()->messages()->plainText(1);
        QVERIFY2(answer.contains(u'4') || answer.contains(QStringLiteral("four"), Qt::CaseInsensitive), qPrintable(answer));
        QVERIFY(chat->composer()->text().isEmpty());
    }
    const auto application = start();
    MainWindow &window = application->window();
    window.show();
    QListView *list = window.sidebar()->list();
    QTest::keyClicks(window.sidebar()->searchField(), QStringLiteral("shapes"));
    QTRY_VERIFY(list->model()->rowCount() > 1);
    QTRY_COMPARE(list->model()->index(0, 0).data().toString(), SessionListModel::tr("Found"));
    QTest::keyClick(window.sidebar()->searchField(), Qt::Key_Return);
    QTRY_COMPARE(window.chatPage()->session()->messages()->count(), 2);
    QCOMPARE(window.chatPage()->session()->messages()->plainText(1), answer);
    // The picture comes back from the database as well.
    QTRY_VERIFY(!window.chatPage()->session()->messages()->at(0).pictures.value(0).thumbnail.isNull());
}

void TestWindowWalk::whatIsNamedIsFramedAndFramedAgainLater()
{
    QRectF framed;
    qint64 conversation = 0;
    {
        const auto application = start();
        MainWindow &window = application->window();
        window.show();
        QVERIFY(QTest::qWaitForWindowExposed(&window));
        ChatPage *chat = window.chatPage();
        QPushButton *where = nullptr;
        for (QPushButton *button : chat->composer()->findChildren<QPushButton *>())
            if (button->text() == ChatPage::tr("Where"))
                where = button;
        QVERIFY(where && !where->isVisible()); // there is no picture yet
        const auto isAdvised = [&] {
            const auto labels = chat->composer()->findChildren<QLabel *>();
            return std::any_of(labels.begin(), labels.end(), [](const QLabel *label) {
                return label->isVisible() && label->text() == ChatPage::tr("%1 answers questions about pictures only: add one first.").arg(QStringLiteral("mini-vl"));
            });
        };
        chat->composer()->setText(QStringLiteral("the red"));
        QTRY_VERIFY(isAdvised());
        chat->composer()->setText({});
        drop(chat, m_picture);
        QTRY_COMPARE(chat->composer()->pictures().size(), 1);
        QVERIFY(where->isVisible() && !isAdvised());
        QTest::mouseClick(where, Qt::LeftButton);
        QVERIFY(where->isChecked());
        auto *text = chat->composer()->findChild<QTextEdit *>();
        QTest::keyClicks(text, QStringLiteral("the red circle"));
        QTest::keyClick(text, Qt::Key_Return);
        QVERIFY(!where->isChecked()); // the next question is one of words again
        QTRY_COMPARE(chat->session()->messages()->count(), 2);
        QTRY_VERIFY_WITH_TIMEOUT(!chat->session()->isRunning(), 25000);
        const QVector<PictureBox> boxes = chat->session()->messages()->at(0).pictures.value(0).boxes;
        QCOMPARE(boxes.size(), 1);
        framed = boxes[0].place;
        QVERIFY(framed.contains(QPointF(0.235, 0.29))); // the circle's centre
        QVERIFY(chat->session()->messages()->plainText(1).contains(QStringLiteral("red circle")));
        conversation = chat->currentConversation();
        chat->editLast();
        QVERIFY(where->isChecked());
    }
    const auto application = start();
    MainWindow &window = application->window();
    window.show();
    bool isOpen = false;
    connect(window.chatPage(), &ChatPage::currentChanged, this, [&](qint64 id) {
        if (id != conversation || isOpen)
            return;
        isOpen = true;
        QCOMPARE(window.chatPage()->session()->messages()->count(), 2);
        QCOMPARE(window.chatPage()->session()->messages()->at(0).pictures.value(0).boxes.value(0).place, framed);
        window.chatPage()->regenerate(); // asks the same again, before the picture has been read back
    });
    window.chatPage()->openConversation(conversation);
    QTRY_VERIFY(isOpen);
    QTRY_COMPARE_WITH_TIMEOUT(window.chatPage()->session()->isRunning(), false, 25000);
    QTRY_COMPARE(window.chatPage()->session()->messages()->at(0).pictures.value(0).boxes.value(0).place, framed);

    // Without the file the chat opens all the same and says what is missing.
    QVERIFY(QDir(m_folder.filePath(QStringLiteral("data/attachments"))).removeRecursively());
    QStringList said;
    connect(window.chatPage(), &ChatPage::statusMessage, this, [&](const QString &text) { said += text; });
    window.chatPage()->newChat();
    window.chatPage()->openConversation(conversation);
    QTRY_COMPARE(said.size(), 1);
    QVERIFY2(said[0].contains(QStringLiteral("shapes.png")), qPrintable(said[0]));
    QCOMPARE(window.chatPage()->session()->messages()->count(), 2);
}

void TestWindowWalk::everyPageOpensInBothLanguagesAndThemes()
{
    const auto application = start();
    MainWindow &window = application->window();
    window.resize(900, 600);
    window.show();
    for (const char *language : {"zh_CN", "en"}) {
        application->settings().setLanguage(QString::fromLatin1(language));
        for (const Settings::Theme theme : {Settings::Theme::Dark, Settings::Theme::Light}) {
            application->settings().setTheme(theme);
            for (const PageId page : {PageId::Chat, PageId::Compare, PageId::Models, PageId::Settings}) {
                window.showPage(page);
                const QImage image = window.grab().toImage();
                QCOMPARE(image.size().width(), qRound(900 * window.devicePixelRatioF()));
            }
        }
        const bool chinese = QByteArrayView(language) == "zh_CN";
        QTRY_VERIFY(window.sidebar()->searchField()->placeholderText().contains(chinese ? QStringLiteral("搜索") : QStringLiteral("Search")));
    }
}

void TestWindowWalk::theEmptyPageShowsWhatFitsWhole()
{
    const auto application = start();
    MainWindow &window = application->window();
    window.show();
    QVERIFY(QTest::qWaitForWindowExposed(&window));
    auto *page = window.chatPage()->findChild<EmptyChat *>();
    QVERIFY(page);
    const auto shown = [page] {
        int questions = 0;
        for (const QPushButton *button : page->findChildren<QPushButton *>())
            questions += button->isVisible();
        return questions;
    };
    window.resize(1280, 820);
    QTRY_COMPARE(shown(), EmptyChat::examplePicture().isEmpty() ? 0 : 3);
    for (const QSize &size : {QSize(1280, 820), QSize(900, 600), QSize(760, 560), QSize(690, 480)}) {
        window.resize(size);
        QTest::qWait(50);
        for (const QWidget *widget : page->findChildren<QWidget *>())
            if (widget->isVisible()) {
                const QRect place(widget->mapTo(page, QPoint()), widget->size());
                QVERIFY2(page->rect().contains(place), widget->metaObject()->className());
                QVERIFY(widget->height() >= widget->minimumSizeHint().height());
            }
    }
}

void TestWindowWalk::anEmptyQuestionIsNotSent()
{
    const auto application = start();
    MainWindow &window = application->window();
    window.show();
    ChatPage *chat = window.chatPage();
    auto *text = chat->composer()->findChild<QTextEdit *>();
    QTest::keyClicks(text, QStringLiteral("   "));
    QTest::keyClick(text, Qt::Key_Return);
    QVERIFY(chat->session()->isEmpty());
    QTest::keyClick(text, Qt::Key_A);
    QTest::keyClick(text, Qt::Key_Return, Qt::ShiftModifier);
    QVERIFY(chat->session()->isEmpty());
    QVERIFY(chat->composer()->text().contains(u'\n'));
}

void TestWindowWalk::aFileThatIsNoPictureSaysSo()
{
    const auto application = start();
    MainWindow &window = application->window();
    window.show();
    QFile file(m_folder.filePath(QStringLiteral("notes.png")));
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write("no picture at all");
    file.close();
    Composer *composer = window.chatPage()->composer();
    drop(window.chatPage(), file.fileName());
    const auto said = [composer] {
        for (const QLabel *label : composer->findChildren<QLabel *>()) {
            if (label->isVisible() && label->text().size() > 20)
                return true;
        }
        return false;
    };
    QTRY_VERIFY(said());
    QVERIFY(composer->pictures().isEmpty());
}

void TestWindowWalk::anAnswerCutOffByACrashIsThereAndMarked()
{
    RowId chat = 0;
    {
        ConversationStore store(m_folder.filePath(QStringLiteral("data")));
        QSignalSpy opened(&store, &ConversationStore::opened);
        store.open();
        QVERIFY(opened.wait());
        chat = store.createConversation(QStringLiteral("cut"), QStringLiteral("mini-vl"));
        StoredPart words;
        words.text = QStringLiteral("What is it?");
        const RowId asked = store.addMessage(chat, 0, StoredRole::User, {words});
        const RowId answer = store.beginAnswer(chat, asked, {});
        store.appendAnswer(answer, QStringLiteral("A red cir"), false);
    } // as after kill -9: nobody finished it
    const auto application = start();
    MainWindow &window = application->window();
    window.show();
    window.chatPage()->openConversation(chat);
    QTRY_COMPARE(window.chatPage()->session()->messages()->count(), 2);
    const MessageModel &messages = *window.chatPage()->session()->messages();
    QCOMPARE(messages.plainText(1), QStringLiteral("A red cir"));
    QCOMPARE(messages.at(1).phase, AnswerPhase::Interrupted);
    QVERIFY(window.chatPage()->transcript()->stateText(1).contains(QStringLiteral("Interrupted")));
}

void TestWindowWalk::aHistoryThatCannotBeUsedIsSaidInTheWindowsLanguage_data()
{
    QTest::addColumn<bool>("fileInPlace");
    QTest::addColumn<QString>("language");
    QTest::addColumn<QString>("word");
    QTest::newRow("newer, English") << false << QStringLiteral("en") << QStringLiteral("written by a newer Diptych");
    QTest::newRow("newer, Chinese") << false << QStringLiteral("zh_CN") << QStringLiteral("更新版本");
    QTest::newRow("file, English") << true << QStringLiteral("en") << QStringLiteral("a file stands in its place");
    QTest::newRow("file, Chinese") << true << QStringLiteral("zh_CN") << QStringLiteral("是一个文件");
}

void TestWindowWalk::aHistoryThatCannotBeUsedIsSaidInTheWindowsLanguage()
{
    QFETCH(bool, fileInPlace);
    QFETCH(QString, language);
    QFETCH(QString, word);
    const QTemporaryDir folder;
    const QString place = folder.filePath(QStringLiteral("data"));
    if (!fileInPlace)
        QVERIFY(QDir().mkpath(place));
    QFile file(fileInPlace ? place : place + QStringLiteral("/diptych.db"));
    QVERIFY(file.open(QIODevice::WriteOnly));
    if (fileInPlace) {
        file.write("mine");
    } else { // a whole empty database of format 99
        QByteArray page(4096, '\0');
        page.replace(0, 16, QByteArray("SQLite format 3\0", 16));
        page.replace(16, 12, QByteArray("\x10\x00\x01\x01\x00\x40\x20\x20\x00\x00\x00\x01", 12));
        page.replace(28, 4, QByteArray("\x00\x00\x00\x01", 4));
        page.replace(44, 4, QByteArray("\x00\x00\x00\x04", 4));
        page.replace(56, 8, QByteArray("\x00\x00\x00\x01\x00\x00\x00\x63", 8));
        page.replace(92, 4, QByteArray("\x00\x00\x00\x01", 4));
        page.replace(100, 8, QByteArray("\x0d\x00\x00\x00\x00\x10\x00\x00", 8));
        file.write(page);
    }
    file.close();
    const QString settings = folder.filePath(QStringLiteral("x.ini"));
    Settings(settings).setLanguage(language);
    const auto application = std::make_unique<app::Application>(*qApp, engine::Runtime::create(), settings, place);
    MainWindow &window = application->window();
    window.show();
    const auto said = [&window] {
        for (const QLabel *label : window.findChildren<QLabel *>())
            if (label->isVisible() && label->wordWrap() && label->text().size() > 30 && label->textInteractionFlags() != Qt::NoTextInteraction)
                return label->text();
        return QString();
    };
    QTRY_VERIFY2(said().contains(word), qPrintable(said()));
    // The program works on without history.
    window.chatPage()->composer()->setText(QStringLiteral("still here"));
    QCOMPARE(window.chatPage()->composer()->text(), QStringLiteral("still here"));
    if (fileInPlace) {
        QVERIFY(file.open(QIODevice::ReadOnly));
        QCOMPARE(file.readAll(), QByteArray("mine"));
    }
}

// A screen reader says nothing useful about what has neither a name nor a text.
void TestWindowWalk::everyFocusableHasAName()
{
    const auto application = start();
    application->settings().setLanguage(QStringLiteral("en"));
    MainWindow &window = application->window();
    window.show();
    for (const PageId page : {PageId::Chat, PageId::Compare, PageId::Models, PageId::Settings}) {
        window.showPage(page);
        QStringList nameless;
        for (const QWidget *widget : window.findChildren<QWidget *>()) {
            if (!widget->isVisible() || !(widget->focusPolicy() & Qt::TabFocus) || widget->focusProxy() != nullptr)
                continue;
            QAccessibleInterface *interface = QAccessible::queryAccessibleInterface(const_cast<QWidget *>(widget));
            if (interface == nullptr || interface->text(QAccessible::Name).trimmed().isEmpty())
                nameless += QString::fromLatin1(widget->metaObject()->className()) + u' ' + widget->toolTip() + u' ' + QString::fromLatin1(widget->parentWidget()->metaObject()->className());
        }
        QVERIFY2(nameless.isEmpty(), qPrintable(nameless.join(QStringLiteral(", "))));
    }
}

QTEST_MAIN(TestWindowWalk)
#include "tst_window_walk.moc"
