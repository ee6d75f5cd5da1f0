// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda_forms.h"

#include <QtTest>

#include <numeric>

namespace {

struct Form {
    const float *data = nullptr;
    struct {
        std::size_t bytes = 0;
    } memory;
    bool valid = false;
};

class Forms {
public:
    // What the plug-in does: the form is valid until its rows are written anew.
    void put(std::size_t address, std::size_t bytes)
    {
        auto form = plugin::splitFormFor(all, at(address), bytes);
        if (form == all.end())
            form = all.insert(form, Form{});
        form->data = at(address);
        form->memory.bytes = std::max(form->memory.bytes, bytes);
        form->valid = true;
    }
    void endStep()
    {
        for (Form &form : all)
            form.valid = false;
    }
    std::size_t bytes() const
    {
        return std::accumulate(all.begin(), all.end(), std::size_t{0}, [](std::size_t sum, const Form &form) { return sum + form.memory.bytes; });
    }
    static const float *at(std::size_t address) { return m_rows + address; }

    std::vector<Form> all;

private:
    static inline float m_rows[4096] = {};
};

} // namespace

class TestCudaForms : public QObject {
    Q_OBJECT

private slots:
    void theSameRowsKeepTheirForm();
    void stepsOfOtherRowsTakeNoMoreThanTheMost();
    void largerOnesAreNew();
    void whatIsStillReadIsNotTaken();
    void theSmallestThatIsLargeEnoughIsTaken();
};

void TestCudaForms::theSameRowsKeepTheirForm()
{
    Forms forms;
    for (int step = 0; step < 10; ++step) {
        forms.put(1, 100);
        forms.put(2, 200);
        forms.endStep();
    }
    QCOMPARE(forms.all.size(), std::size_t{2});
    QCOMPARE(forms.bytes(), std::size_t{300});
}

void TestCudaForms::stepsOfOtherRowsTakeNoMoreThanTheMost()
{
    Forms forms;
    for (std::size_t step = 0; step < 500; ++step) { // each with four forms at addresses of its own
        for (std::size_t form = 0; form < 4; ++form)
            forms.put(step * 4 + form, 1000);
        forms.endStep();
    }
    QCOMPARE(forms.all.size(), plugin::kMostSplits);
    QCOMPARE(forms.bytes(), plugin::kMostSplits * 1000);
}

void TestCudaForms::largerOnesAreNew()
{
    Forms forms;
    for (std::size_t i = 0; i < plugin::kMostSplits; ++i)
        forms.put(i, 100);
    forms.endStep();
    forms.put(100, 500); // none is large enough
    forms.endStep();
    QCOMPARE(forms.all.size(), plugin::kMostSplits + 1);
    forms.put(101, 400);
    QCOMPARE(forms.all.size(), plugin::kMostSplits + 1);
    QCOMPARE(forms.all.back().data, Forms::at(101));
    QCOMPARE(forms.all.back().memory.bytes, std::size_t{500}); // memory is kept
}

void TestCudaForms::whatIsStillReadIsNotTaken()
{
    Forms forms;
    const std::size_t most = plugin::kMostSplits + 10; // of one step
    for (std::size_t i = 0; i < most; ++i)
        forms.put(i, 100);
    QCOMPARE(forms.all.size(), most);
    for (std::size_t i = 0; i < most; ++i)
        QCOMPARE(forms.all[i].data, Forms::at(i));
}

void TestCudaForms::theSmallestThatIsLargeEnoughIsTaken()
{
    std::vector<Form> forms(3);
    forms[0].memory.bytes = 300;
    forms[1].memory.bytes = 200;
    forms[2].memory.bytes = 100;
    QCOMPARE(plugin::smallestFree(forms, 150) - forms.begin(), 1);
    QCOMPARE(plugin::smallestFree(forms, 100) - forms.begin(), 2);
    forms[1].valid = true;
    QCOMPARE(plugin::smallestFree(forms, 150) - forms.begin(), 0);
    QVERIFY(plugin::smallestFree(forms, 301) == forms.end());
}

QTEST_GUILESS_MAIN(TestCudaForms)
#include "tst_cuda_forms.moc"
