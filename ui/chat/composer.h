// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "services/image_loader.h"

#include <QFrame>
#include <QHash>
#include <QVector>

class QLabel;
class QPushButton;
class QMimeData;

namespace ui {

class GrowingTextEdit;
class PictureTray;

// Where a question is written: text that grows, a tray of pictures, the buttons. Pictures come by drop, paste or
// the dialog and are decoded by the loader; a picture that cannot be read says so in the tray's place.
class Composer final : public QFrame
{
    Q_OBJECT

public:
    explicit Composer(ImageLoader &loader, QWidget *parent = nullptr);
    ~Composer() override;

    [[nodiscard]] QString text() const;
    void setText(const QString &text);
    [[nodiscard]] QVector<LoadedPicture> pictures() const;
    void setPictures(const QVector<LoadedPicture> &pictures);
    [[nodiscard]] bool hasPictures() const; // also those still being read
    void clear();                         // after the question was taken
    void setBusy(bool busy);              // Send becomes Stop
    void setPicturesAllowed(bool allowed, const QString &why = {}); // a model that reads no pictures
    void setPicturesExpected(const QString &why); // said while a question is written without one; empty: none is expected
    void setThinkVisible(bool visible);   // only models that think
    [[nodiscard]] bool isThinkOn() const;
    void setThinkOn(bool on);
    void setContextUse(int usedTokens, int ofTokens); // 0 of 0: nothing shown
    void setPlaceholder(const QString &text); // empty: the usual one
    void addTool(QWidget *tool);          // beside "Add picture"
    void takeFocus();

    // For drop zones larger than the composer.
    static bool canTake(const QMimeData *data);
    void takeMimeData(const QMimeData *data);
    void addFile(const QString &path);

public slots:
    void choosePictures(); // the dialog
    void send();           // as the button: does nothing when there is nothing to send or pictures are still read

signals:
    void sendRequested(const QString &text, const QVector<ui::LoadedPicture> &pictures);
    void stopRequested();
    void thinkToggled(bool on);
    void contentChanged();

protected:
    void changeEvent(QEvent *event) override;
    void paintEvent(QPaintEvent *event) override;
    bool eventFilter(QObject *watched, QEvent *event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ui
