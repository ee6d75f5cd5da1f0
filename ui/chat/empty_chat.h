// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QImage>
#include <QWidget>

class QLabel;
class QPushButton;

namespace ui {

// A chat before its first question: says what can be done and has one example to click.
class EmptyChat final : public QWidget
{
    Q_OBJECT

public:
    explicit EmptyChat(QWidget *parent = nullptr);

    // The picture that comes with the program; empty when it is missing, and then there is no example.
    static QString examplePicture();

signals:
    void exampleRequested(const QString &picture, const QString &question);

protected:
    void resizeEvent(QResizeEvent *event) override;
    void changeEvent(QEvent *event) override;

private:
    void retranslate();
    void fit();

    QLabel *m_title;
    QLabel *m_text;
    QWidget *m_card;
    bool m_hasExample = false;
    QVector<QPushButton *> m_questions;
    QLabel *m_hint;
};

} // namespace ui
