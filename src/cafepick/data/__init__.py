"""Where photos come from: folders, globs, MVTec, COCO, MNIST, downloads, drawn trays."""
