// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "chat/chat_session.h"

#include <QFrame>

class QCheckBox;
class QDoubleSpinBox;
class QLineEdit;
class QPlainTextEdit;
class QSpinBox;

namespace ui {

// How the model chooses its words, in a small window under its button. Every change is told at once.
class ParametersPopover final : public QFrame
{
    Q_OBJECT

public:
    explicit ParametersPopover(QWidget *parent = nullptr);

    void popUp(const ChatParameters &parameters, QWidget *under);

signals:
    void parametersChanged(const ui::ChatParameters &parameters);

protected:
    void paintEvent(QPaintEvent *event) override;

private:
    void fill(const ChatParameters &parameters);
    void tell();

    ChatParameters m_parameters;
    QDoubleSpinBox *m_temperature;
    QDoubleSpinBox *m_topP;
    QSpinBox *m_topK;
    QDoubleSpinBox *m_minP;
    QDoubleSpinBox *m_repetition;
    QSpinBox *m_maxTokens;
    QLineEdit *m_seed;
    QCheckBox *m_newSeed;
    QPlainTextEdit *m_system;
    bool m_filling = false;
};

} // namespace ui
