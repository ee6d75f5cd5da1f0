// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "fake_runtime.h"
#include "pages.h"

#include "library/model_card.h"
#include "library/models_page.h"
#include "services/engine_service.h"
#include "services/model_library.h"
#include "services/settings.h"
#include "settings/settings_page.h"
#include "storage/conversation_store.h"
#include "widgets/role_label.h"

#include <QAbstractItemModelTester>
#include <QComboBox>
#include <QPushButton>
#include <QSignalSpy>
#include <QSpinBox>
#include <QTemporaryDir>
#include <QtTest>

#include <atomic>
#include <cmath>
#include <memory>

using namespace ui;

class TestLibraryPages : public QObject
{
    Q_OBJECT

private:
    QPushButton *button(QWidget *inside, const QString &text)
    {
        for (QPushButton *candidate : inside->findChildren<QPushButton *>())
            if (candidate->text() == text)
                return candidate;
        return nullptr;
    }
    QStringList texts(QWidget *inside)
    {
        QStringList list;
        for (const RoleLabel *label : inside->findChildren<RoleLabel *>())
            if (!label->isHidden())
                list += label->text();
        return list;
    }

    std::unique_ptr<QTemporaryDir> m_folder;
    std::unique_ptr<Settings> m_settings;
    fake::Runtime *m_runtime = nullptr;
    std::unique_ptr<EngineService> m_engine;
    std::unique_ptr<ModelLibrary> m_library;

private slots:
    void initTestCase()
    {
        QApplication::setStyle(new theme::Style);
        pages::dress(false);
    }
    void init()
    {
        m_folder = std::make_unique<QTemporaryDir>();
        m_settings = std::make_unique<Settings>(m_folder->filePath(QStringLiteral("x.conf")));
        auto runtime = std::make_unique<fake::Runtime>();
        m_runtime = runtime.get();
        m_engine = std::make_unique<EngineService>(std::move(runtime));
        m_library = std::make_unique<ModelLibrary>(*m_settings);
    }

    void theEmbeddedModelAndItsCopyComeFirst();
    void theEstimateIsWhatTheEngineReserves();
    void whatIsNoModelSaysSoAndIsNotAdded();
    void addedModelsComeBackAndCanBeRemoved();
    void aCardLoadsAndUnloadsItsModel();
    void aFailedLoadSaysWhyOnTheCard();
    void aModelThatDoesNotFitOffersWhatDoes();
    void aChoiceHoldsForItsDeviceAndCanBeForgotten();
    void theSameFactsOfTwoCardsLieInOneColumn();
    void settingsTakeEffectAtOnce();
};

void TestLibraryPages::theEmbeddedModelAndItsCopyComeFirst()
{
    const QAbstractItemModelTester tester(m_library.get());
    QVERIFY(m_library->rowCount() >= 2);
    QCOMPARE(m_library->entries()[0].key, QStringLiteral("mini-vl"));
    QCOMPARE(m_library->entries()[1].key, QStringLiteral("mini-vl:q4_0"));
    QCOMPARE(m_library->loadOptions(QStringLiteral("mini-vl:q4_0")).requantize, std::string("q4_0"));
    QCOMPARE(m_library->loadOptions(QStringLiteral("mini-vl")).path, m_library->entries()[1].path.toStdString());
    m_library->remove(QStringLiteral("mini-vl"));
    QVERIFY(m_library->find(QStringLiteral("mini-vl")) != nullptr); // it comes with the program
}

void TestLibraryPages::theEstimateIsWhatTheEngineReserves()
{
    const ModelEntry *const entry = m_library->find(QStringLiteral("mini-vl"));
    QVERIFY(entry != nullptr);
    const engine::LoadOptions options = m_library->loadOptions(QStringLiteral("mini-vl"));
    const auto runtime = engine::Runtime::create();
    std::atomic<bool> isDone = false;
    const auto load = runtime->load(options, [&isDone] { isDone = true; });
    QTRY_VERIFY(isDone);
    const engine::MemoryUse use = runtime->models().at(0).memory;
    const double estimate = double(entry->memoryBytes(options.contextTokens)), real = double(use.weightBytes + use.kvBytes);
    QVERIFY2(std::abs(estimate - real) < 0.03 * real, qPrintable(QStringLiteral("%1 estimated, %2 taken").arg(estimate).arg(real)));
    ModelsPage page(*m_engine, *m_library, *m_settings);
    const QString shown = QLocale().formattedDataSize(qint64(estimate), 1, QLocale::DataSizeSIFormat);
    QVERIFY2(!texts(&page).filter(shown).isEmpty(), qPrintable(texts(&page).join(u'|') + shown));
}

void TestLibraryPages::whatIsNoModelSaysSoAndIsNotAdded()
{
    ModelsPage page(*m_engine, *m_library, *m_settings);
    const int before = m_library->rowCount();
    QFile file(m_folder->filePath(QStringLiteral("模型.gguf")));
    QVERIFY(file.open(QIODevice::WriteOnly) && file.write("GGUFtruncated") > 0);
    file.close();
    for (const QString &path : {m_folder->path(), file.fileName(), QStringLiteral("/no/such/place")}) {
        QVERIFY(!page.addFromDisk(path));
        QVERIFY(texts(&page).filter(path).size() == 1);
    }
    QCOMPARE(m_library->rowCount(), before);
    QVERIFY(m_settings->addedModels().isEmpty());
}

void TestLibraryPages::addedModelsComeBackAndCanBeRemoved()
{
    const QString embedded = ModelLibrary::embeddedFolder();
    if (!m_library->entries()[0].isUsable())
        QSKIP("the embedded model is not in this tree");
    const QString copy = m_folder->filePath(QStringLiteral("my copy 副本"));
    QVERIFY(QDir().mkpath(copy));
    const QDir from(embedded + QStringLiteral("/mini-vl"));
    for (const QString &name : from.entryList(QDir::Files))
        QVERIFY(QFile::copy(from.filePath(name), copy + u'/' + name));
    ModelsPage page(*m_engine, *m_library, *m_settings);
    QVERIFY(page.addFromDisk(copy));
    QVERIFY(page.addFromDisk(copy)); // again is the same
    QCOMPARE(m_settings->addedModels(), QStringList(copy));
    const ModelLibrary later(*m_settings);
    QVERIFY(later.find(copy) != nullptr);
    QVERIFY(later.find(copy)->info.readsPictures);
    button(&page, QStringLiteral("Remove"))->click();
    QVERIFY(m_library->find(copy) == nullptr);
    QVERIFY(m_settings->addedModels().isEmpty());
    QVERIFY(QFile::exists(copy + QStringLiteral("/config.json")));
}

void TestLibraryPages::aCardLoadsAndUnloadsItsModel()
{
    ModelsPage page(*m_engine, *m_library, *m_settings);
    page.resize(1180, 700);
    auto *card = page.findChild<ModelCard *>();
    QVERIFY(card != nullptr);
    if (!m_library->entries()[0].isUsable())
        QSKIP("the embedded model is not in this tree");
    button(card, QStringLiteral("Load"))->click();
    QTRY_VERIFY(button(card, QStringLiteral("Unload")) != nullptr);
    QVERIFY(texts(card).contains(QStringLiteral("10.0 MB"))); // the engine's own figure
    QCOMPARE(m_engine->models().size(), std::size_t(1));
    card->setDetailsShown(true);
    pages::shoot(page, QStringLiteral("models"));
    button(card, QStringLiteral("Unload"))->click();
    QVERIFY(button(card, QStringLiteral("Load")) != nullptr);
    QVERIFY(m_engine->models().empty());
}

void TestLibraryPages::aFailedLoadSaysWhyOnTheCard()
{
    if (!m_library->entries()[0].isUsable())
        QSKIP("the embedded model is not in this tree");
    m_runtime->failLoadsOf = m_library->entries()[0].path.toStdString();
    ModelsPage page(*m_engine, *m_library, *m_settings);
    auto *card = page.findChild<ModelCard *>();
    button(card, QStringLiteral("Load"))->click();
    QTRY_VERIFY(button(card, QStringLiteral("Try again")) != nullptr);
    QCOMPARE(texts(card).filter(QStringLiteral("is cut off")).size(), 1);
}

void TestLibraryPages::aModelThatDoesNotFitOffersWhatDoes()
{
    if (!m_library->entries()[0].isUsable())
        QSKIP("the embedded model is not in this tree");
    const QString key = m_library->entries()[0].key;
    m_settings->setDevice(QStringLiteral("cuda:0"));
    m_runtime->noCard = "the card does not answer; another program may hold it exclusively";
    m_runtime->offersFor = [](const engine::LoadOptions &options) {
        engine::LoadOffer split{.kind = engine::LoadOffer::Kind::Split, .options = options, .plan = {}, .layers = 27};
        split.plan.cardLayers = split.options.cardLayers = 13;
        split.options.contextTokens = split.plan.contextTokens = 4096;
        engine::LoadOffer processor{.kind = engine::LoadOffer::Kind::Processor, .options = options, .plan = {}, .layers = 27};
        processor.options.device = "cpu";
        processor.options.contextTokens = processor.plan.contextTokens = 8192;
        processor.plan.weightBytes = 9'000'000'000;
        processor.plan.freeBytes = 30'000'000'000;
        return std::vector<engine::LoadOffer>{split, processor};
    };
    ModelsPage page(*m_engine, *m_library, *m_settings);
    page.resize(900, 700);
    page.show();
    QVERIFY(QTest::qWaitForWindowActive(&page));
    auto *card = page.findChild<ModelCard *>();
    QTest::mouseClick(button(card, QStringLiteral("Load")), Qt::LeftButton);
    QPushButton *processor = nullptr;
    QTRY_VERIFY((processor = button(card, QStringLiteral("Use the processor"))) != nullptr);
    QCOMPARE(texts(card).filter(QStringLiteral("another program may hold it")).size(), 1);
    QVERIFY(button(card, QStringLiteral("Put 13 of 27 layers on the card")) != nullptr);
    QCOMPARE(texts(card).filter(QStringLiteral("context of 8,192 tokens")).size(), 1);
    QVERIFY(processor->accessibleDescription().contains(QStringLiteral("9.0 GB of 30.0 GB free memory")));
    // By keyboard: from the card's own buttons to the offers, in their order.
    button(card, QStringLiteral("Details"))->setFocus();
    QTest::keyClick(QApplication::focusWidget(), Qt::Key_Tab);
    QCOMPARE(QApplication::focusWidget(), button(card, QStringLiteral("Put 13 of 27 layers on the card")));
    QTest::keyClick(QApplication::focusWidget(), Qt::Key_Tab);
    QCOMPARE(QApplication::focusWidget(), processor);
    QTest::keyClick(processor, Qt::Key_Space);
    QTRY_VERIFY(button(card, QStringLiteral("Unload")) != nullptr);
    const auto models = m_engine->models();
    QCOMPARE(models.size(), std::size_t{1});
    QCOMPARE(models[0].options.device, std::string("cpu"));
    QCOMPARE(models[0].options.contextTokens, 8192);
    QVERIFY(button(card, QStringLiteral("Use the processor")) == nullptr || button(card, QStringLiteral("Use the processor"))->isHidden());
    QCOMPARE(texts(card).filter(QStringLiteral("Loaded otherwise than Settings say: on the processor")).size(), 1);
    QVERIFY(m_library->hasChoice(key));
    button(card, QStringLiteral("Back to the settings"))->click();
    QVERIFY(!m_library->hasChoice(key));
    QVERIFY(m_engine->models().empty());
    QCOMPARE(m_library->loadOptions(key).device, std::string("cuda:0"));
}

void TestLibraryPages::aChoiceHoldsForItsDeviceAndCanBeForgotten()
{
    const QString key = m_library->entries()[0].key;
    m_settings->setDevice(QStringLiteral("cuda:0"));
    engine::LoadOptions choice;
    choice.device = "cuda:0";
    choice.cardLayers = 3;
    choice.contextTokens = 2048;
    choice.requantize = "q8_0";
    m_library->setChoice(key, choice);
    const ModelLibrary again(*m_settings); // as after the next start
    const engine::LoadOptions found = again.loadOptions(key);
    QCOMPARE(found.cardLayers, 3);
    QCOMPARE(found.contextTokens, 2048);
    QCOMPARE(found.requantize, std::string("q8_0"));
    QVERIFY(EngineService::loadKey(found) != EngineService::loadKey(again.loadOptions(m_library->entries()[1].key)));
    m_settings->setDevice(QStringLiteral("cpu")); // another device: it tells nothing about that
    QVERIFY(!m_library->hasChoice(key));
    QCOMPARE(m_library->loadOptions(key).cardLayers, 0);
    m_settings->setDevice(QStringLiteral("cuda:0"));
    QVERIFY(m_library->hasChoice(key));
    m_library->forgetChoice(key);
    QVERIFY(!m_library->hasChoice(key));
}

void TestLibraryPages::theSameFactsOfTwoCardsLieInOneColumn()
{
    if (!m_library->entries()[0].isUsable())
        QSKIP("the embedded model is not in this tree");
    ModelsPage page(*m_engine, *m_library, *m_settings);
    page.resize(1180, 700);
    page.show();
    QVERIFY(QTest::qWaitForWindowExposed(&page));
    const auto places = [&](ModelCard *card) {
        QList<QPoint> list;
        for (const RoleLabel *label : card->findChildren<RoleLabel *>())
            if (QStringLiteral("Precision|On disk|Memory|Pictures|reads them").split(u'|').contains(label->text()))
                list += label->mapTo(card, QPoint());
        return list;
    };
    const QList<ModelCard *> cards = page.findChildren<ModelCard *>();
    QVERIFY(cards.size() >= 2);
    button(cards[0], QStringLiteral("Load"))->click(); // its memory is now a shorter text than the other's estimate
    QTRY_VERIFY(texts(cards[0]).contains(QStringLiteral("10.0 MB")));
    QTRY_COMPARE(places(cards[0]).size(), 5);
    QTRY_COMPARE(places(cards[1]), places(cards[0]));
}

void TestLibraryPages::settingsTakeEffectAtOnce()
{
    ConversationStore store(m_folder->filePath(QStringLiteral("data")));
    SettingsPage page(*m_engine, store, *m_settings);
    page.resize(1180, 700);
    QSignalSpy theme(m_settings.get(), &Settings::themeChanged);
    QSignalSpy language(m_settings.get(), &Settings::languageChanged);
    const auto choose = [&](const char *name, int index) {
        auto *box = page.findChild<QComboBox *>(QLatin1String(name));
        box->setCurrentIndex(index);
        emit box->activated(index);
    };
    choose("theme", 2);
    QCOMPARE(theme.size(), 1);
    QCOMPARE(m_settings->theme(), Settings::Theme::Dark);
    choose("language", 2);
    QCOMPARE(language.at(0).at(0).toString(), QStringLiteral("zh_CN"));
    page.findChild<QSpinBox *>(QStringLiteral("threads"))->setValue(1);
    QCOMPARE(m_library->loadOptions(m_library->defaultKey()).threads, 1);
    QVERIFY(texts(&page).contains(store.dataFolder()));
    pages::shoot(page, QStringLiteral("settings"));
}

QTEST_MAIN(TestLibraryPages)
#include "tst_library_pages.moc"
