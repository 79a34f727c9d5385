/** What each method does, in a sentence for whoever has not read its paper; the documents have the equations. */
import type { MethodName } from 'gradcam-webgpu';

export const METHOD_WORDS: Readonly<Record<MethodName, string>> = {
  'grad-cam': 'Weights each feature map by the mean gradient of the class in it.',
  'hires-cam':
    'Multiplies each cell of the feature maps by its own gradient, where Grad-CAM takes the mean over all cells.',
  'grad-cam++': 'Weights the gradient of each cell by an α of its own, so that several objects of a class all count.',
  'smooth-grad-cam++':
    'Grad-CAM++ with gradients averaged over noisy copies of the picture, so that less heat lies beside the objects.',
  'xgrad-cam': 'Weights the gradient of each cell by the share that the cell has of its feature map.',
  'layer-cam': 'Multiplies each cell by its own gradient where that is positive, which serves early layers as well.',
  cam: 'Weights each feature map as the network’s own last layer does, behind a global average pooling.',
  'eigen-cam': 'Shows what the feature maps have most in common, and knows nothing of the class.',
  'score-cam':
    'Weights each feature map by the score of the picture seen through it: no gradient, but a pass for each map.',
  'ablation-cam': 'Weights each feature map by what the score loses without it: no gradient, but a pass for each map.',
  gradient: 'Shows how much each pixel can change the score.',
  'gradient-x-input': 'Multiplies the gradient of each pixel by the pixel itself.',
  'smooth-grad': 'Shows how much each pixel can change the score, on average over noisy copies of the picture.',
  'integrated-gradients': 'Adds up the gradients on the way from a picture without evidence to this one.',
  'guided-backprop': 'Lets only what is positive back through each ReLU: sharp, but hardly about the class.',
  deconvnet: 'Lets only what is positive back through each ReLU, whatever the ReLU let through on the way there.',
  'guided-grad-cam': 'Guided backpropagation where Grad-CAM is high, and nothing elsewhere.',
};
