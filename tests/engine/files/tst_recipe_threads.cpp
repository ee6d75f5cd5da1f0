// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/adapter.h"
#include "files/tensor_recipe.h"

#include <QTest>

using namespace engine;

// Weights that are made at load, by one thread and by several.
class TestRecipeThreads : public QObject {
    Q_OBJECT
private slots:
    void threadsChangeNoBit_data();
    void threadsChangeNoBit();
};

void TestRecipeThreads::threadsChangeNoBit_data()
{
    QTest::addColumn<QString>("model");
    QTest::addColumn<QString>("adapter");
    const auto row = [](const char *model, const char *adapter) {
        QTest::addRow("%s %s", model, adapter) << QString::fromLatin1(model) << QString::fromLatin1(adapter);
    };
    for (const char *model : {"gptq-4bit", "gptq-4bit-act-order", "gptq-3bit-v2", "gptq-2bit-one-group", "gptq-8bit-v2", "awq", "llama-dtypes"})
        row(model, "");
    for (const char *adapter : {"llama-lora", "llama-dora", "llama-embeddings"})
        row("llama", adapter);
}

void TestRecipeThreads::threadsChangeNoBit()
{
    QFETCH(QString, model);
    QFETCH(QString, adapter);
    const std::string goldens = DIPTYCH_SOURCE_DIR "/tests/golden/";
    auto files = ModelFiles::open(goldens + "models/" + model.toStdString());
    QVERIFY(files.ok());
    if (!adapter.isEmpty())
        files = withAdapter(*files, goldens + "adapters/" + adapter.toStdString(), 1.0);
    QVERIFY2(files.ok(), files.ok() ? "" : files.error().message.c_str());
    kernels::ThreadPool many(4);
    int count = 0;
    for (const FileTensor &tensor : (*files)->tensors()) {
        for (const bool exact : {false, true}) {
            if (!tensor.recipe)
                continue;
            ++count;
            const auto alone = tensor.recipe->make(exact);
            const auto shared = tensor.recipe->makeOn(many, exact);
            QVERIFY2(alone.ok() && shared.ok(), tensor.name.c_str());
            QVERIFY2(alone->dtype == shared->dtype && alone->bytes == shared->bytes, tensor.name.c_str());
        }
    }
    QVERIFY(count > 4);
}

QTEST_APPLESS_MAIN(TestRecipeThreads)
#include "tst_recipe_threads.moc"
