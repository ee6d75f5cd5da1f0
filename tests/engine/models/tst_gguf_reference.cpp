// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/models/model_runner.h"

#include <QElapsedTimer>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTest>

#include <cstring>

// A real GGUF file against transformers with its weights dequantised (tests/golden/make_gguf_reference.py writes the
// folder that DIPTYCH_GGUF_GOLDEN names). Skipped where there is none.
class TestGgufReference : public QObject {
    Q_OBJECT

private:
    QJsonObject m_golden;
    std::vector<float> m_logits;

private slots:
    void initTestCase()
    {
        const QString folder = qEnvironmentVariable("DIPTYCH_GGUF_GOLDEN");
        if (folder.isEmpty())
            QSKIP("DIPTYCH_GGUF_GOLDEN is not set");
        QFile file(folder + QStringLiteral("/golden.json"));
        QVERIFY(file.open(QIODevice::ReadOnly));
        m_golden = QJsonDocument::fromJson(file.readAll()).object();
        QFile logits(folder + QStringLiteral("/logits.f32"));
        QVERIFY(logits.open(QIODevice::ReadOnly));
        const QByteArray bytes = logits.readAll();
        m_logits.resize(static_cast<std::size_t>(bytes.size()) / sizeof(float));
        std::memcpy(m_logits.data(), bytes.constData(), m_logits.size() * sizeof(float));
    }
    void promptsContinueAsInTransformers_data()
    {
        QTest::addColumn<bool>("exact");
        QTest::newRow("exact") << true;
        QTest::newRow("native") << false;
    }
    void promptsContinueAsInTransformers()
    {
        QFETCH(bool, exact);
        const auto vocabulary = static_cast<std::size_t>(m_golden[u"vocabulary"].toInt());
        auto loaded = ModelRunner::load(m_golden[u"gguf"].toString().toStdString(), {.threads = 2, .exact = exact}, 32);
        QVERIFY2(loaded.ok(), loaded.ok() ? "" : loaded.error().message.c_str());
        ModelRunner &runner = **loaded;
        const QJsonArray cases = m_golden[u"cases"].toArray();
        QVERIFY(!cases.isEmpty());
        for (int index = 0; index < cases.size(); ++index) {
            const QJsonObject golden = cases[index].toObject();
            std::vector<std::int32_t> ids;
            for (const QJsonValue &id : golden[u"ids"].toArray())
                ids.push_back(id.toInt());
            runner.position = 0;
            std::vector<float> logits;
            QVERIFY(runner.feed(ids, logits).ok());
            std::vector<float> step(logits.end() - static_cast<std::ptrdiff_t>(vocabulary), logits.end());
            const auto wanted = m_logits.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(index) * vocabulary);
            const float error = worstRowError(step,
                std::vector<float>(wanted, wanted + static_cast<std::ptrdiff_t>(vocabulary)), vocabulary);
            QElapsedTimer timer;
            timer.start();
            int same = 0;
            const QJsonArray reply = golden[u"reply_ids"].toArray();
            for (; same < reply.size(); ++same) {
                const int best = bestColumn(step, 0, vocabulary);
                if (best != reply[same].toInt())
                    break;
                step.clear();
                QVERIFY(runner.feed({best}, step).ok());
            }
            qInfo("%s: error %g, %d of %d tokens the same, %.1f ms a token", qPrintable(golden[u"prompt"].toString().left(20)),
                static_cast<double>(error), same, static_cast<int>(reply.size()),
                static_cast<double>(timer.elapsed()) / std::max(same, 1));
            QVERIFY(error < (exact ? 1e-3F : 0.1F));
            if (exact)
                QCOMPARE(same, static_cast<int>(reply.size()));
        }
    }
};

QTEST_APPLESS_MAIN(TestGgufReference)
#include "tst_gguf_reference.moc"
