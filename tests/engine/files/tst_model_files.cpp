// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/model_files.h"
#include "text/tokenizer.h"

#include <QTest>

using namespace engine;

class TestModelFiles : public QObject {
    Q_OBJECT
private slots:
    void theEmbeddedModelOpens();
};

void TestModelFiles::theEmbeddedModelOpens()
{
    const auto opened = ModelFiles::open(DIPTYCH_SOURCE_DIR "/resources/models/mini-vl");
    QVERIFY2(opened.ok(), opened.ok() ? "" : opened.error().message.c_str());
    const ModelFiles &files = **opened;
    const TextConfig &text = files.config().text;
    QVERIFY(!files.isGguf());
    QCOMPARE(text.architecture, std::string("deepseek_vl_v2"));
    QCOMPARE(text.tensorPrefix, std::string("language."));
    QVERIFY(text.attention == AttentionKind::Latent && text.rope.interleaved);
    QVERIFY(text.moe.method == RoutingMethod::Biased && text.moe.score == RoutingScore::Sigmoid);
    QVERIFY(files.config().vision.has_value());
    QCOMPARE(files.config().vision->projectorOut, text.hidden);
    const auto table = files.require("language.model.embed_tokens.weight", Shape{text.vocabulary, text.hidden});
    QVERIFY(table.ok());
    const FileTensor *const fp8 = files.find("language.model.layers.0.mlp.gate_proj.weight");
    QVERIFY(fp8 != nullptr);
    QVERIFY(fp8->dtype == DType::F8E4M3);
    QCOMPARE(fp8->scales.size(), static_cast<std::size_t>((fp8->shape[0] + 127) / 128 * ((fp8->shape[1] + 127) / 128) * 4));
    QVERIFY(files.find("language.model.layers.0.mlp.gate_proj.weight_scale_inv") == nullptr);
    QVERIFY(files.intact().ok());
    QVERIFY(files.loadTokenizer().ok());
}

QTEST_APPLESS_MAIN(TestModelFiles)
#include "tst_model_files.moc"
