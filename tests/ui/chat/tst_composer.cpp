// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// What people do to the composer: type, paste, drop and open pictures, by the events a desktop sends.
#include "../../app/picture_bytes.h"

#include "chat/composer.h"
#include "chat/drop_overlay.h"
#include "services/image_loader.h"
#include "theme/style.h"
#include "theme/tokens.h"

#include <QAccessible>
#include <QApplication>
#include <QClipboard>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFileDialog>
#include <QLabel>
#include <QLineEdit>
#include <QMimeData>
#include <QPushButton>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTextEdit>
#include <QTimer>
#include <QUrl>
#include <QVBoxLayout>
#include <QtTest>

#include <memory>

using namespace ui;

class TestComposer : public QObject
{
    Q_OBJECT

private slots:
    void initTestCase();
    void init();
    void cleanup();
    void aPastedPictureIsTaken();
    void anEncodedPictureIsTakenAsItIs();
    void pastedFilesAreTaken();
    void pastedTextStaysText();
    void textWithItsPictureIsText();
    void droppedFilesAreTakenAndOneThatIsNoneIsNamed();
    void whatIsDraggedFromABrowserIsTaken();
    void aDropOfTextIsNotForThePage();
    void openingPicturesGoesThroughTheDialog();
    void sendingWaitsForThePicture();
    void aPictureCanBeTakenOutByKeyboard();
    void aModelWithoutEyesSaysSo();
    void aQuestionWithoutItsPictureIsAdvised();
    void enterSendsAndShiftEnterBreaksTheLine();

private:
    static QByteArray encoded()
    {
        const picture::Bytes bytes = picture::png(40, 30, 3, picture::gradient(40, 30));
        return QByteArray(reinterpret_cast<const char *>(bytes.data()), qsizetype(bytes.size()));
    }
    QString file(const QString &name, const QByteArray &content)
    {
        QFile out(m_folder->filePath(name));
        [&] { QVERIFY(out.open(QIODevice::WriteOnly) && out.write(content) == content.size()); }();
        return out.fileName();
    }
    void paste(QMimeData *data) // the clipboard owns it
    {
        QApplication::clipboard()->setMimeData(data);
        QTest::keySequence(edit(), QKeySequence::Paste);
    }
    bool drop(const QMimeData &data)
    {
        QDragEnterEvent enter(QPoint(20, 20), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        enter.ignore();
        QApplication::sendEvent(m_page.get(), &enter);
        if (!enter.isAccepted())
            return false;
        QDropEvent event(QPointF(20, 20), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(m_page.get(), &event);
        return event.isAccepted();
    }
    QTextEdit *edit() { return m_composer->findChild<QTextEdit *>(); }
    QString problem()
    {
        for (const QLabel *label : m_composer->findChildren<QLabel *>())
            if (label->isVisible() && label->wordWrap())
                return label->text();
        return {};
    }

    std::unique_ptr<QTemporaryDir> m_folder;
    std::unique_ptr<ImageLoader> m_loader;
    std::unique_ptr<QWidget> m_page;
    Composer *m_composer = nullptr;
};

void TestComposer::initTestCase()
{
    QApplication::setStyle(new theme::Style);
    QApplication::setPalette(theme::paletteFor(theme::lightTokens()));
    QApplication::setAttribute(Qt::AA_DontUseNativeDialogs);
}

void TestComposer::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    m_loader = std::make_unique<ImageLoader>();
    m_page = std::make_unique<QWidget>();
    auto *column = new QVBoxLayout(m_page.get());
    m_composer = new Composer(*m_loader);
    column->addWidget(m_composer);
    new DropOverlay(m_page.get(), m_composer);
    m_page->resize(700, 300);
    m_page->show();
    m_page->activateWindow();
    QVERIFY(QTest::qWaitForWindowExposed(m_page.get()));
    m_composer->takeFocus();
}

void TestComposer::cleanup()
{
    m_page.reset();
    m_loader.reset();
}

void TestComposer::aPastedPictureIsTaken()
{
    auto *data = new QMimeData;
    QImage image(50, 20, QImage::Format_RGB32);
    image.fill(Qt::red);
    data->setImageData(image);
    paste(data);
    QTRY_COMPARE(m_composer->pictures().size(), 1);
    const LoadedPicture picture = m_composer->pictures()[0];
    QCOMPARE(picture.image->width, 50);
    QCOMPARE(picture.image->height, 20);
    QCOMPARE(picture.image->rgb[0], 255);
    QVERIFY(m_composer->text().isEmpty());
}

void TestComposer::anEncodedPictureIsTakenAsItIs()
{
    auto *data = new QMimeData;
    data->setData(QStringLiteral("image/png"), encoded());
    paste(data);
    QTRY_COMPARE(m_composer->pictures().size(), 1);
    QCOMPARE(m_composer->pictures()[0].encoded, encoded());
}

void TestComposer::pastedFilesAreTaken()
{
    auto *data = new QMimeData; // as file managers copy
    data->setUrls({QUrl::fromLocalFile(file(QStringLiteral("第一 张.png"), encoded())),
        QUrl::fromLocalFile(file(QStringLiteral("b.png"), encoded()))});
    paste(data);
    QTRY_COMPARE(m_composer->pictures().size(), 2);
    QCOMPARE(m_composer->pictures()[0].name, QStringLiteral("第一 张.png"));
    QVERIFY(m_composer->text().isEmpty());
}

void TestComposer::pastedTextStaysText()
{
    auto *data = new QMimeData;
    data->setHtml(QStringLiteral("<b>how</b> many?"));
    data->setText(QStringLiteral("how many?"));
    paste(data);
    QCOMPARE(m_composer->text(), QStringLiteral("how many?"));
    QVERIFY(m_composer->pictures().isEmpty());
}

void TestComposer::textWithItsPictureIsText()
{
    auto *data = new QMimeData; // as office programs copy a cell
    data->setText(QStringLiteral("42"));
    data->setImageData(QImage(30, 10, QImage::Format_RGB32));
    paste(data);
    QCOMPARE(m_composer->text(), QStringLiteral("42"));
    QTest::qWait(100);
    QVERIFY(m_composer->pictures().isEmpty());
}

void TestComposer::droppedFilesAreTakenAndOneThatIsNoneIsNamed()
{
    QMimeData data;
    data.setUrls({QUrl::fromLocalFile(file(QStringLiteral("a.png"), encoded())),
        QUrl::fromLocalFile(file(QStringLiteral("notes.png"), "not a picture"))});
    QVERIFY(drop(data));
    QTRY_COMPARE(m_composer->pictures().size(), 1);
    QTRY_VERIFY2(problem().contains(QStringLiteral("not a picture")), qPrintable(problem()));
}

void TestComposer::whatIsDraggedFromABrowserIsTaken()
{
    QMimeData data;
    data.setUrls({QUrl(QStringLiteral("https://example.org/a.png"))}); // never fetched
    data.setData(QStringLiteral("image/png"), encoded());
    QVERIFY(drop(data));
    QTRY_COMPARE(m_composer->pictures().size(), 1);
}

void TestComposer::aDropOfTextIsNotForThePage()
{
    QMimeData data;
    data.setText(QStringLiteral("words"));
    QVERIFY(!drop(data));
}

void TestComposer::openingPicturesGoesThroughTheDialog()
{
    const QString path = file(QStringLiteral("chosen.png"), encoded());
    bool seen = false;
    QTimer::singleShot(300, this, [&] {
        auto *dialog = qobject_cast<QFileDialog *>(QApplication::activeModalWidget());
        if (dialog == nullptr)
            return;
        seen = true;
        auto *name = dialog->findChild<QLineEdit *>(QStringLiteral("fileNameEdit"));
        name->setText(path);
        QTest::keyClick(name, Qt::Key_Return);
    });
    for (QPushButton *button : m_composer->findChildren<QPushButton *>())
        if (button->text() == QStringLiteral("Add picture"))
            QTest::mouseClick(button, Qt::LeftButton);
    QVERIFY(seen);
    QTRY_COMPARE(m_composer->pictures().size(), 1);
    QCOMPARE(m_composer->pictures()[0].name, QStringLiteral("chosen.png"));
}

void TestComposer::sendingWaitsForThePicture()
{
    QSignalSpy sent(m_composer, &Composer::sendRequested);
    QMimeData data;
    data.setUrls({QUrl::fromLocalFile(file(QStringLiteral("a.png"), encoded()))});
    QVERIFY(drop(data));
    QTest::keyClicks(edit(), QStringLiteral("what?"));
    QTest::keyClick(edit(), Qt::Key_Return); // before the picture is read
    QTRY_COMPARE(sent.size(), 1);
    QCOMPARE(sent[0][0].toString(), QStringLiteral("what?"));
    QCOMPARE(sent[0][1].value<QVector<LoadedPicture>>().size(), 1);
}

void TestComposer::aPictureCanBeTakenOutByKeyboard()
{
    m_composer->addFile(file(QStringLiteral("a.png"), encoded()));
    m_composer->addFile(file(QStringLiteral("b.png"), encoded()));
    QTRY_COMPARE(m_composer->pictures().size(), 2);
    for (int step = 0; step < 12 && m_composer->pictures().size() == 2; ++step) {
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Backtab, Qt::ShiftModifier);
        QVERIFY(QApplication::focusWidget());
        if (QApplication::focusWidget() != edit())
            QTest::keyClick(QApplication::focusWidget(), Qt::Key_Delete);
    }
    QCOMPARE(m_composer->pictures().size(), 1);
}

void TestComposer::aModelWithoutEyesSaysSo()
{
    m_composer->setPicturesAllowed(false, QStringLiteral("This one reads no pictures."));
    QMimeData data;
    data.setUrls({QUrl::fromLocalFile(file(QStringLiteral("a.png"), encoded()))});
    QVERIFY(drop(data));
    QCOMPARE(problem(), QStringLiteral("This one reads no pictures."));
    QTest::qWait(100);
    QVERIFY(m_composer->pictures().isEmpty());
}

void TestComposer::aQuestionWithoutItsPictureIsAdvised()
{
    m_composer->setPicturesExpected(QStringLiteral("Add one first."));
    QVERIFY(problem().isEmpty()); // nothing is asked yet
    QTest::keyClicks(edit(), QStringLiteral("How many?"));
    QCOMPARE(problem(), QStringLiteral("Add one first."));
    QMimeData data;
    data.setUrls({QUrl::fromLocalFile(file(QStringLiteral("a.png"), encoded()))});
    QVERIFY(drop(data));
    QVERIFY(problem().isEmpty());
    QTRY_COMPARE(m_composer->pictures().size(), 1);
    m_composer->setPictures({});
    QCOMPARE(problem(), QStringLiteral("Add one first."));
    m_composer->setPicturesExpected({});
    QVERIFY(problem().isEmpty());
}

void TestComposer::enterSendsAndShiftEnterBreaksTheLine()
{
    QSignalSpy sent(m_composer, &Composer::sendRequested);
    QTest::keyClicks(edit(), QStringLiteral("a"));
    QTest::keyClick(edit(), Qt::Key_Return, Qt::ShiftModifier);
    QTest::keyClicks(edit(), QStringLiteral("b"));
    QCOMPARE(sent.size(), 0);
    QTest::keyClick(edit(), Qt::Key_Enter, Qt::KeypadModifier);
    QCOMPARE(sent.size(), 1);
    QCOMPARE(sent[0][0].toString(), QStringLiteral("a\nb"));
}

QTEST_MAIN(TestComposer)
#include "tst_composer.moc"
