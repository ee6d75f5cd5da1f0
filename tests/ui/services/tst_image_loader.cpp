// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "../../app/picture_bytes.h"

#include "services/image_loader.h"
#include "services/settings.h"

#include <QFile>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QtTest>

using ui::ImageLoader;
using ui::LoadedPicture;
using ui::Settings;

class TestImageLoader : public QObject
{
    Q_OBJECT

private slots:
    void aFileComesBackWithItsThumbnail();
    void aPastedPictureIsDecodedToo();
    void whatIsNoPictureSaysSo();
    void eachNumberEndsOnce();
    void settingsComeBack();
};

void TestImageLoader::aFileComesBackWithItsThumbnail()
{
    const QTemporaryDir folder;
    QFile file(folder.filePath(QStringLiteral("图 wide.webp")));
    QVERIFY(file.open(QIODevice::WriteOnly));
    const picture::Bytes encoded = picture::webp(1000, 250, picture::Bytes(1000 * 250 * 3, 77));
    file.write(reinterpret_cast<const char *>(encoded.data()), qsizetype(encoded.size()));
    file.close();
    ImageLoader loader;
    QSignalSpy loaded(&loader, &ImageLoader::loaded);
    const quint64 number = loader.loadFile(file.fileName());
    QVERIFY(loaded.wait());
    QCOMPARE(loaded[0][0].toULongLong(), number);
    const auto result = loaded[0][1].value<LoadedPicture>();
    QCOMPARE(result.name, QStringLiteral("图 wide.webp"));
    QCOMPARE(result.image->width, 1000);
    QCOMPARE(result.thumbnail.size(), QSize(320, 80));
    QCOMPARE(result.thumbnail.pixelColor(5, 5), QColor(77, 77, 77));
    QCOMPARE(result.encoded.size(), qsizetype(encoded.size()));
    QCOMPARE(result.sha256.size(), 64);
}

void TestImageLoader::aPastedPictureIsDecodedToo()
{
    QImage pasted(20, 10, QImage::Format_ARGB32);
    pasted.fill(QColor(10, 200, 30));
    ImageLoader loader;
    QSignalSpy loaded(&loader, &ImageLoader::loaded);
    loader.loadPasted(pasted);
    QVERIFY(loaded.wait());
    const auto result = loaded[0][1].value<LoadedPicture>();
    QCOMPARE(ImageLoader::toQImage(*result.image).pixelColor(3, 3), QColor(10, 200, 30));
    QCOMPARE(result.thumbnail.size(), QSize(20, 10)); // never enlarged
}

void TestImageLoader::whatIsNoPictureSaysSo()
{
    ImageLoader loader;
    QSignalSpy failed(&loader, &ImageLoader::failed);
    loader.loadBytes("GIF89a and so on", QStringLiteral("a.png"));
    QVERIFY(failed.wait());
    QCOMPARE(failed[0][1].toString(), QStringLiteral("a.png"));
    QVERIFY(failed[0][2].toString().contains(QStringLiteral("GIF")));
    loader.loadFile(QStringLiteral("/dev/zero"));
    QVERIFY(failed.wait());
    loader.loadFile(QStringLiteral("/no/such/file.png"));
    QVERIFY(failed.wait());
    QVERIFY(failed[2][2].toString().contains(QStringLiteral("file.png")));
}

void TestImageLoader::eachNumberEndsOnce()
{
    const picture::Bytes good = picture::png(8, 8, 3, picture::gradient(8, 8));
    const QByteArray bytes(reinterpret_cast<const char *>(good.data()), qsizetype(good.size()));
    ImageLoader loader;
    QSignalSpy loaded(&loader, &ImageLoader::loaded);
    QSignalSpy failed(&loader, &ImageLoader::failed);
    QSet<quint64> numbers;
    for (int i = 0; i < 20; ++i)
        numbers += loader.loadBytes(i % 2 == 0 ? bytes : QByteArray("no"), QString());
    QTRY_COMPARE(loaded.size() + failed.size(), 20);
    QCOMPARE(loaded.size(), 10);
    for (const QSignalSpy *spy : {&loaded, &failed})
        for (const QList<QVariant> &call : *spy)
            QVERIFY(numbers.remove(call[0].toULongLong()));
    QVERIFY(numbers.isEmpty());
}

void TestImageLoader::settingsComeBack()
{
    const QTemporaryDir folder;
    const QString file = folder.filePath(QStringLiteral("x.conf"));
    {
        Settings settings(file);
        QCOMPARE(settings.theme(), Settings::Theme::System);
        QCOMPARE(settings.device(), QStringLiteral("cpu"));
        QSignalSpy theme(&settings, &Settings::themeChanged);
        settings.setTheme(Settings::Theme::Dark);
        settings.setTheme(Settings::Theme::Dark);
        QCOMPARE(theme.size(), 1);
        settings.setLanguage(QStringLiteral("zh_CN"));
        settings.setThreads(-4);
        settings.setAddedModels({QStringLiteral("/模型/a, b"), QStringLiteral("/c")});
        settings.setValue(QStringLiteral("compare/left"), QStringLiteral("mini-vl"));
    }
    const Settings settings(file);
    QCOMPARE(settings.theme(), Settings::Theme::Dark);
    QCOMPARE(settings.effectiveLanguage(), QStringLiteral("zh_CN"));
    QCOMPARE(settings.threads(), 0);
    QCOMPARE(settings.addedModels(), QStringList({QStringLiteral("/模型/a, b"), QStringLiteral("/c")}));
    QCOMPARE(settings.value(QStringLiteral("compare/left")).toString(), QStringLiteral("mini-vl"));
}

QTEST_GUILESS_MAIN(TestImageLoader)
#include "tst_image_loader.moc"
